import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { listenForStop, type StopSignal } from '../../../pipeline/terminal/stopSignals.ts';

function setUp() {
  const emitter = new EventEmitter();
  const killed: string[] = [];
  const asked: string[] = [];
  const clock = { ms: 0 };
  const source = Object.assign(emitter, { kill: (signal: StopSignal) => void killed.push(signal) });
  const stop = listenForStop(
    source,
    (signal) => asked.push(signal),
    () => clock.ms,
  );
  return { emitter, killed, asked, clock, stop, press: (signal: StopSignal) => emitter.emit(signal, signal) };
}

describe('listenForStop', () => {
  it('asks to stop at the first signal, and ends the process at the second', () => {
    const { asked, killed, clock, stop, press, emitter } = setUp();
    expect(stop.exitCode()).toBeNull();
    press('SIGINT');
    expect(stop.aborted.aborted).toBe(true);
    expect(stop.aborted.reason.message).toBe('stopped by SIGINT');
    expect(asked).toEqual(['SIGINT']);
    expect(killed).toEqual([]);
    clock.ms = 600;
    press('SIGINT');
    expect(killed).toEqual(['SIGINT']);
    expect(asked).toHaveLength(1);
    expect(emitter.listenerCount('SIGINT')).toBe(0); // so that the signal kills
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('gives %s the exit code %i', (signal, exitCode) => {
    const { stop, press } = setUp();
    press(signal);
    expect(stop.exitCode()).toBe(exitCode);
  });

  it('takes the echo that npm makes of a Ctrl-C for the same press', () => {
    const { killed, clock, press } = setUp();
    press('SIGINT');
    clock.ms = 20;
    press('SIGINT');
    expect(killed).toEqual([]);
    clock.ms = 3000;
    press('SIGINT');
    expect(killed).toEqual(['SIGINT']);
  });

  it('ends at a signal of the other kind, however soon', () => {
    const { killed, press } = setUp();
    press('SIGINT');
    press('SIGTERM');
    expect(killed).toEqual(['SIGTERM']);
  });

  it('listens no more once closed', () => {
    const { emitter, stop } = setUp();
    stop.close();
    expect([emitter.listenerCount('SIGINT'), emitter.listenerCount('SIGTERM')]).toEqual([0, 0]);
  });
});

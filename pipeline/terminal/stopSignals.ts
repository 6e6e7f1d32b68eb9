/** Ctrl-C, SIGTERM and a terminal that is closed: the first asks the run to stop between batches, the second ends the process. */
import { constants } from 'node:os';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
export const stopSignals: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** What a shell takes for the exit code of a process that the signal ended: 130, 143, 129. */
export const stopCode = (signal: StopSignal): number => 128 + constants.signals[signal];

/** The part of `process` that is needed here. */
export interface SignalSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  /** Sends this process a signal that nothing listens to any more. */
  kill(signal: StopSignal): void;
}

export interface StopSignals {
  /** Aborted by the first signal. */
  aborted: AbortSignal;
  /** 130, 143 or 129 once a signal came. */
  exitCode(): number | null;
  /** Stops listening. */
  close(): void;
}

// npm hands on the Ctrl-C that the terminal has already sent to every process in the foreground: one press, two signals.
const samePress = 500; // ms

export const processSignals: SignalSource = {
  on: (signal, listener) => process.on(signal, listener),
  off: (signal, listener) => process.off(signal, listener),
  kill: (signal) => process.kill(process.pid, signal),
};

/** Calls `asked` at the first signal. `now`: milliseconds that never go back. */
export function listenForStop(
  source: SignalSource,
  asked: (signal: StopSignal) => void,
  now = (): number => performance.now(),
): StopSignals {
  const controller = new AbortController();
  let first: { signal: StopSignal; at: number } | null = null;
  const listener = (signal: StopSignal): void => {
    if (!first) {
      first = { signal, at: now() };
      controller.abort(new Error(`stopped by ${signal}`));
      asked(signal);
    } else if (signal !== first.signal || now() - first.at >= samePress) {
      // Dying of the signal, not process.exit: that would end worker threads inside a session, which aborts the process.
      close();
      source.kill(signal);
    }
  };
  const close = (): void => {
    for (const signal of stopSignals) source.off(signal, listener);
  };
  for (const signal of stopSignals) source.on(signal, listener);
  return { aborted: controller.signal, exitCode: () => first && stopCode(first.signal), close };
}

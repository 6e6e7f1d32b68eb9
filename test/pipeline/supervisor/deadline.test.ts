import { describe, expect, it } from 'vitest';
import { Deadline } from '../../../pipeline/supervisor/deadline.ts';

/** A deadline of 30 s that is asked about every second. */
function setUp() {
  const clock = { ms: 5000 };
  const deadline = new Deadline(30, () => clock.ms);
  const wait = (seconds: number): boolean => {
    let past = false;
    for (let s = 0; s < seconds; s++) {
      clock.ms += 1000;
      past = deadline.isPast();
    }
    return past;
  };
  return { clock, deadline, wait };
}

describe('Deadline', () => {
  it('is past once nothing moved for so long', () => {
    const { wait } = setUp();
    expect(wait(29)).toBe(false);
    expect(wait(1)).toBe(true);
  });

  it('begins anew whenever something moved', () => {
    const { deadline, wait } = setUp();
    wait(29);
    deadline.moved();
    expect(wait(29)).toBe(false);
    expect(wait(1)).toBe(true);
  });

  it('does not hold against the work that the supervisor itself was stopped', () => {
    const { clock, deadline, wait } = setUp();
    wait(20);
    clock.ms += 3_600_000;
    expect(deadline.isPast()).toBe(false);
    expect(wait(29)).toBe(false);
    expect(wait(1)).toBe(true);
  });
});

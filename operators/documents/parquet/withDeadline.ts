/** Waits for work on a file for so long and no longer: a drive that is gone answers neither yes nor no. */

export class DeadlineError extends Error {}

// of the process and not of a run: what waits are the process's own threads
let unanswered = 0;

/** Whether a read is still under way that was given up: it keeps the process from ending, `process.exit` too. */
export function waitsForDrive(): boolean {
  return unanswered > 0;
}

// a process that was stopped, or busy, for longer than the limit finds one tick of it gone, and not the limit
const TICKS = 10;

/** Throws DeadlineError where `work` takes more than `seconds`; the work itself cannot be stopped. `what` is `reading its bytes 0 to 4`. */
export async function withDeadline<T>(work: Promise<T>, seconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const giveUp = () => {
      unanswered++;
      const answered = () => unanswered--;
      work.then(answered, answered);
      reject(new DeadlineError(`${what} took more than ${seconds} s, the limit of corpus.readSeconds`));
    };
    let left = TICKS;
    const tick = () => {
      if (left-- === 0) giveUp();
      else timer = setTimeout(tick, (seconds * 1000) / TICKS);
    };
    tick();
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

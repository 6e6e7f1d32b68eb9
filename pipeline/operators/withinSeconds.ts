/** Bounds what an operator of the user's own may wait for: a promise that never resolves would hold the run for ever. */

/** What `work` gives. Rejects with what `late` makes once `seconds` have passed. */
export async function withinSeconds<T>(work: T | Promise<T>, seconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), seconds * 1000);
  });
  try {
    return await Promise.race([work, bound]);
  } finally {
    clearTimeout(timer);
  }
}

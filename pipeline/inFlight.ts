/** Does work on items in their order, a fixed number at a time. */

/** Starts the items in order and waits for all; after a failure no further one is started, and the first failure is thrown. */
export async function inFlight<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const flying = new Set<Promise<void>>();
  let failure: { error: unknown } | null = null;
  let index = 0;
  for await (const item of items) {
    while (flying.size >= limit) await Promise.race(flying);
    if (failure) break;
    const flight = work(item, index++)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => flying.delete(flight));
    flying.add(flight);
  }
  await Promise.all(flying);
  if (failure) throw (failure as { error: unknown }).error;
}

/** Work on items in their order, a fixed number at a time: all of it, or ahead of who takes the results. */

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

/** The results of `work` on each item, to be taken in order: up to `limit` of them are started before they are asked for. */
export function startedAhead<T, Result>(
  items: T[],
  limit: number,
  work: (item: T) => Promise<Result>,
): (() => Promise<Result>)[] {
  const started = new Map<number, Promise<Result>>();
  const start = (index: number) => {
    if (index >= items.length || started.has(index)) return;
    const result = work(items[index]);
    result.catch(() => {}); // whoever takes it hears of the failure
    started.set(index, result);
  };
  return items.map((_, index) => async () => {
    for (let ahead = index; ahead < index + limit; ahead++) start(ahead);
    const result = await started.get(index)!;
    started.delete(index);
    return result;
  });
}

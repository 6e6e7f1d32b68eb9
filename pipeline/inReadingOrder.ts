/** Lets batches pass in reading order, whatever order the pool finishes them in: folds then give the same bits for any pool. */
import { Observable, type OperatorFunction } from 'rxjs';

/** Holds back each batch until all before it have passed; with n credits at most n − 1 wait. Batches are numbered first, first + 1 … */
export function inReadingOrder<T extends { batch: number }>(first = 0): OperatorFunction<T, T> {
  return (source) =>
    new Observable((subscriber) => {
      const early = new Map<number, T>();
      let next = first;
      return source.subscribe({
        next(batch) {
          early.set(batch.batch, batch);
          for (let ready = early.get(next); ready !== undefined; ready = early.get(next)) {
            early.delete(next++);
            subscriber.next(ready);
          }
        },
        error: (error) => subscriber.error(error),
        complete() {
          if (early.size === 0) subscriber.complete();
          else subscriber.error(new Error(`inReadingOrder expected batch ${next}, and the source ended without it`));
        },
      });
    });
}

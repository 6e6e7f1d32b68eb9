/** Lets users' RxJS operators look on at score batches: each gets copies of its own, and what it emits is dropped. */
import { type MonoTypeOperatorFunction, Observable, Subject, Subscription } from 'rxjs';
import type { ScoreBatch } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import type { Observer } from './loadOperator.ts';

/** Passes every batch on unchanged; an observer that fails fails the run, named by its place among the observers. */
export function lookOn(observers: Observer[]): MonoTypeOperatorFunction<ScoreBatch> {
  return (source) =>
    new Observable((subscriber) => {
      const failed = (i: number, cause: unknown) => subscriber.error(observerFailed(i, observers[i], cause));
      const watching = new Subscription();
      const views = observers.map((observer, i) => {
        const view = new Subject<ScoreBatch>();
        try {
          watching.add(view.pipe(observer).subscribe({ error: (cause) => failed(i, cause) }));
        } catch (cause) {
          failed(i, cause);
        }
        return view;
      });
      let complete = false;
      const flow = source.subscribe({
        next(batch) {
          // A copy, so that an observer that writes into a batch changes nobody else's.
          for (const view of views) view.next(structuredClone(batch));
          subscriber.next(batch);
        },
        error: (error) => subscriber.error(error),
        complete() {
          complete = true;
          for (const view of views) view.complete();
          subscriber.complete();
        },
      });
      return () => {
        flow.unsubscribe();
        // An observer of times would keep a process that is to end; after the last batch it may still have something to say.
        if (!complete) watching.unsubscribe();
      };
    });
}

function observerFailed(i: number, { file }: Observer, cause: unknown): InputError {
  const origin = file === undefined ? '' : ` (${file})`;
  const reason = (cause as Error | undefined)?.message ?? cause;
  return new InputError(`observer ${i + 1} of operators failed: ${reason}${origin}`, { cause });
}

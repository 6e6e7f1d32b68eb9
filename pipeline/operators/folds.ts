/** Folds with their state: what a run keeps of the scores that have passed. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import type { FoldOperator, RunFacts } from '../../schemas/operators.ts';

/** A fold that has been opened. */
export interface OpenFold {
  name: string;
  /** Plain data; a checkpoint's takes its place when a run goes on. */
  state: unknown;
  add(batch: ScoreBatch): void;
  /** Adds a later part of the corpus, folded elsewhere. */
  merge(later: unknown): void;
  result(): unknown;
}

/** `file` is a user's own fold's: its errors name it, and it sees copies, so that what it writes into them changes nobody else's. */
export function openFold(fold: FoldOperator, settings: unknown, facts: RunFacts, file?: string): OpenFold {
  const lend = (batch: ScoreBatch) => (file === undefined ? batch : structuredClone(batch));
  const origin = file === undefined ? '' : ` (${file})`;
  const named = <T>(what: string, run: () => T): T => {
    try {
      return run();
    } catch (cause) {
      throw new InputError(`fold ${fold.name} failed ${what}: ${(cause as Error)?.message ?? cause}${origin}`, {
        cause,
      });
    }
  };
  const open: OpenFold = {
    name: fold.name,
    state: named('to make its empty state', () => fold.empty(settings, facts)),
    add: (batch) => named(`on batch ${batch.batch}`, () => expectDone(fold.add(open.state, lend(batch)))),
    merge: (later) => named('to merge two parts', () => fold.merge(open.state, later)),
    result: () => named('to give its result', () => fold.result(open.state)),
  };
  return open;
}

/** A state that is still being added to would stand in a checkpoint half done. */
function expectDone(given: unknown): void {
  if (given instanceof Promise) throw new Error('expected add to be done when it returns, got a promise');
}

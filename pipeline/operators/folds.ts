/** Folds with their state: what a run keeps of the scores that have passed. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import type { FoldOperator, RunFacts } from '../../schemas/operators.ts';

/** A fold that has been opened; the state is plain data. */
export interface OpenFold {
  name: string;
  state: unknown;
  add(batch: ScoreBatch): void;
  result(): unknown;
}

export function openFold(fold: FoldOperator, settings: unknown, facts: RunFacts): OpenFold {
  const state = fold.empty(settings, facts);
  const named = <T>(what: string, run: () => T): T => {
    try {
      return run();
    } catch (cause) {
      throw new InputError(`fold ${fold.name} failed ${what}: ${(cause as Error)?.message ?? cause}`, { cause });
    }
  };
  return {
    name: fold.name,
    state,
    add: (batch) => named(`on batch ${batch.batch}`, () => fold.add(state, batch)),
    result: () => named('to give its result', () => fold.result(state)),
  };
}

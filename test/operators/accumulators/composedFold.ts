/** Makes a fold of what is computed from the results of other folds, so that the laws can be checked for it. */
import type { FoldOperator } from '../../../schemas/operators.ts';

type Folds = Record<string, FoldOperator>;
type Results<F> = { [name in keyof F]: F[name] extends { result(state: never): infer Result } ? Result : never };

/** The state holds those of all `folds` side by side; the result is `compute` of their results. */
export function composedFold<F extends object, Result>(
  name: string,
  folds: F,
  compute: (results: Results<F>) => Result,
): FoldOperator<Record<string, unknown>, Result, undefined> {
  const parts = Object.entries(folds as Folds);
  const each = <V>(value: (fold: FoldOperator, part: string) => V): Record<string, V> =>
    Object.fromEntries(parts.map(([part, fold]) => [part, value(fold, part)]));
  return {
    kind: 'fold',
    name,
    takes: 'scores',
    empty: (_settings, facts) => each((fold) => fold.empty(undefined, facts)),
    add: (state, batch) => {
      for (const [part, fold] of parts) fold.add(state[part], batch);
    },
    merge: (into, from) => {
      for (const [part, fold] of parts) fold.merge(into[part], from[part]);
    },
    result: (state) => compute(each((fold, part) => fold.result(state[part])) as Results<F>),
  };
}

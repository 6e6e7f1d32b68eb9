/** The rows of correlation_groups: the correlations of query pairs within each task and between each two. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { Correlations } from '../../accumulators/correlations.ts';
import { correlationGroups } from '../../accumulators/tasks/correlationGroups.ts';
import type { Columns } from '../writeTable.ts';

export const correlationGroupColumns: Columns = {
  /** task_a <= task_b; equal where both queries of a pair are of one task. */
  task_a: 'string',
  task_b: 'string',
  pairs: 'int64',
  mean_r: 'double?',
  median_r: 'double?',
  sd_r: 'double?',
  min_r: 'double?',
  max_r: 'double?',
  /** Pairs that are significant at 0.05 after Bonferroni's correction for all pairs of `correlations`. */
  significant: 'int64',
  /** Pairs without r. */
  undefined: 'int64',
};

export function* correlationGroupRows(pairs: Correlations, queries: readonly Query[]): Generator<TableRow> {
  const groups = correlationGroups(
    pairs,
    queries.map(({ task }) => task),
  );
  for (const { taskA, taskB, r, ...counts } of groups)
    yield {
      task_a: taskA,
      task_b: taskB,
      pairs: counts.pairs,
      mean_r: r?.mean ?? null,
      median_r: r?.median ?? null,
      sd_r: r?.standardDeviation ?? null,
      min_r: r?.min ?? null,
      max_r: r?.max ?? null,
      significant: counts.significant,
      undefined: counts.undefinedPairs,
    };
}

/** The rows of correlations: one per pair of queries a < b, null where r and p are undefined. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { Correlations } from '../../accumulators/correlations.ts';
import type { Columns } from '../writeTable.ts';

export const correlationColumns: Columns = {
  query_a: 'string',
  query_b: 'string',
  r: 'double?',
  p: 'double?',
  n: 'int64',
  /** Significant at 0.05 after Bonferroni's correction for all pairs of the table. */
  significant: 'boolean?',
};

export function* correlationRows(
  { queryA, queryB, r, p, n, significant }: Correlations,
  queries: readonly Query[],
): Generator<TableRow> {
  for (let pair = 0; pair < r.length; ++pair) {
    const defined = !Number.isNaN(r[pair]);
    yield {
      query_a: queries[queryA[pair]].id,
      query_b: queries[queryB[pair]].id,
      r: defined ? r[pair] : null,
      p: defined ? p[pair] : null,
      n,
      significant: defined ? significant[pair] : null,
    };
  }
}

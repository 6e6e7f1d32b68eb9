/** The rows of influence_per_nat: the positive influence of the top x % of documents, by query and by task. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import { type InfluenceShare, influencePerNatByTask } from '../../accumulators/influencePerNat.ts';
import type { Columns } from '../writeTable.ts';

export const influencePerNatColumns: Columns = {
  query_id: 'string',
  task: 'string',
  /** Of the documents that rank positively for the query. */
  percent: 'double',
  documents: 'int64',
  /** The sum of their scores. */
  influence: 'double',
  /** influence / nats of the completion. */
  per_nat: 'double?',
};

export const influencePerNatTaskColumns: Columns = {
  task: 'string',
  percent: 'double',
  /** Those with a per_nat, over which the columns below go. */
  queries: 'int32',
  mean: 'double',
  standard_deviation: 'double?',
  coefficient_of_variation: 'double?',
  min: 'double',
  max: 'double',
};

export function* influencePerNatRows(
  shares: readonly InfluenceShare[],
  queries: readonly Query[],
): Generator<TableRow> {
  for (const { query, percent, documents, influence, perNat } of shares) {
    const { id, task } = queries[query];
    yield { query_id: id, task, percent, documents, influence, per_nat: perNat };
  }
}

export function* influencePerNatTaskRows(
  shares: readonly InfluenceShare[],
  queries: readonly Query[],
): Generator<TableRow> {
  const tasks = queries.map(({ task }) => task);
  for (const { standardDeviation, coefficientOfVariation, ...row } of influencePerNatByTask(shares, tasks))
    yield {
      ...row,
      standard_deviation: standardDeviation,
      coefficient_of_variation: coefficientOfVariation,
    };
}

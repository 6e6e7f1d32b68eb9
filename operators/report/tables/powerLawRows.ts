/** The rows of power_law: the line through log influence over log rank, by query and by task. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import { type PowerLaw, powerLawByTask } from '../../accumulators/powerLaw.ts';
import type { Columns } from '../writeTable.ts';

/** ln score = intercept + slope · ln rank. */
export const powerLawColumns: Columns = {
  query_id: 'string',
  task: 'string',
  /** Positively ranked documents that the line is fitted to, 500 at most. */
  documents: 'int32',
  slope: 'double?',
  intercept: 'double?',
  /** Of the slope. */
  standard_error: 'double?',
  r_squared: 'double?',
};

export const powerLawTaskColumns: Columns = {
  task: 'string',
  /** Those with a line, over which the columns below go. */
  queries: 'int32',
  mean_slope: 'double',
  sd_slope: 'double?',
  mean_r_squared: 'double',
};

export function* powerLawRows(laws: readonly PowerLaw[], queries: readonly Query[]): Generator<TableRow> {
  for (const { query, documents, line } of laws) {
    const { id, task } = queries[query];
    yield {
      query_id: id,
      task,
      documents,
      slope: line?.slope ?? null,
      intercept: line?.intercept ?? null,
      standard_error: line?.standardError ?? null,
      r_squared: line?.rSquared ?? null,
    };
  }
}

export function* powerLawTaskRows(laws: readonly PowerLaw[], queries: readonly Query[]): Generator<TableRow> {
  const tasks = queries.map(({ task }) => task);
  for (const { task, queries: count, meanSlope, slopeDeviation, meanRSquared } of powerLawByTask(laws, tasks))
    yield {
      task,
      queries: count,
      mean_slope: meanSlope,
      sd_slope: slopeDeviation,
      mean_r_squared: meanRSquared,
    };
}

/** The rows of scores: the dense table, a row per document and query, for corpora small enough to keep it. */
import type { ScoreBatch } from '../../../schemas/batches.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { Columns } from '../writeTable.ts';

export const scoreColumns: Columns = {
  query_id: 'string',
  document_id: 'string',
  score: 'double',
  file: 'string',
  row: 'int64',
};

/** Document by document in reading order, each with its queries in theirs. */
export function* scoreRows(
  { id, file, row, scores, queries: Q }: ScoreBatch,
  queries: readonly Query[],
  files: readonly string[],
): Generator<TableRow> {
  for (let b = 0; b < id.length; ++b)
    for (let q = 0; q < Q; ++q)
      yield {
        query_id: queries[q].id,
        document_id: id[b],
        score: scores[b * Q + q],
        file: files[file[b]],
        row: row[b],
      };
}

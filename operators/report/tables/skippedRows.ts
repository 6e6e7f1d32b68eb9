/** The rows of skipped: every document that was read and not scored, with the reason. */
import type { SetAside } from '../../../schemas/batches.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import type { Columns } from '../writeTable.ts';

export const skippedColumns: Columns = {
  file: 'string',
  row: 'int64',
  document_id: 'string',
  reason: 'string',
  /** What a person needs beyond the reason: an operator's name, the number that was not finite. */
  detail: 'string',
};

export function* skippedRows(setAside: Iterable<SetAside>, files: readonly string[]): Generator<TableRow> {
  for (const { file, row, id, reason, detail } of setAside)
    yield { file: files[file], row, document_id: id, reason, detail };
}

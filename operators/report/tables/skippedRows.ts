/** The rows of skipped: every document that was read and not scored, and every row that could not be read, with the reason. */
import type { SetAside } from '../../../schemas/batches.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import type { LostRows } from '../../documents/readRows.ts';
import type { Columns } from '../writeTable.ts';

export const skippedColumns: Columns = {
  file: 'string',
  row: 'int64',
  /** From `row` on: 1 for a document, more where a stretch of a file could not be read. Their sum is what the run skipped. */
  rows: 'int64',
  /** Null where it could not be read. */
  document_id: 'string?',
  reason: 'string',
  /** What a person needs beyond the reason: an operator's name, the number that was not finite. */
  detail: 'string',
};

/** In reading order. */
export function skippedRows(
  setAside: Iterable<SetAside>,
  lost: Iterable<LostRows>,
  files: readonly string[],
): TableRow[] {
  const unread = Array.from(lost, ({ file, rowStart, rowEnd, reason }) => {
    return { file, row: rowStart, rows: rowEnd - rowStart, id: null, reason: 'unreadable', detail: reason };
  });
  const unscored = Array.from(setAside, (document) => ({ ...document, rows: 1 }));
  return [...unread, ...unscored]
    .sort((a, b) => a.file - b.file || a.row - b.row)
    .map(({ file, row, rows, id, reason, detail }) => {
      return { file: files[file], row, rows, document_id: id, reason, detail };
    });
}

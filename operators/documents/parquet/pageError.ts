/** Says which page of which column cannot be read, and where reading may go on. */
import { reasonOf } from '../reasonOf.ts';
import type { ColumnChunk } from './planRowGroups.ts';
import { DeadlineError } from './withDeadline.ts';

export class PageError extends Error {
  /** The rows before it are lost; Infinity where the drive does not answer and no other page will be had either. */
  readonly rowEnd: number;
  constructor({ rowGroup, column }: ColumnChunk, offset: number, rowEnd: number, cause: unknown) {
    super(`row group ${rowGroup}, column "${column.name}", page at byte ${offset}: ${reasonOf(cause)}`, { cause });
    this.rowEnd = cause instanceof DeadlineError ? Number.POSITIVE_INFINITY : rowEnd;
  }
}

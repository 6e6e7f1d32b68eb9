/** Says after which rows of a file every slice ends, so that readers that share a corpus can meet there. */
import type { CorpusFile } from './corpus.ts';

/**
 * The least row number above `row` before which a slice ends: every multiple of `rows`, and the end of a file in which the rows
 * of the whole corpus pass such a multiple, for else a corpus of short files had none. Infinity where the file has no more.
 */
export function sliceEnd(file: Pick<CorpusFile, 'rowStart' | 'rows'>, row: number, rows: number): number {
  const end = (Math.floor(row / rows) + 1) * rows;
  if (end <= file.rows) return end;
  return row < file.rows && endsWith(file, rows) ? file.rows : Number.POSITIVE_INFINITY;
}

/** Whether a slice ends with the file's last row. */
export function endsWith(file: Pick<CorpusFile, 'rowStart' | 'rows'>, rows: number): boolean {
  return Math.floor((file.rowStart + file.rows) / rows) > Math.floor(file.rowStart / rows);
}

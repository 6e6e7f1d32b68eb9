/** Reads the rows of a corpus in order, in blocks that never hold more than one page of each column. */
import { HeadwaterError, InputError } from '../../schemas/errors.ts';
import type { Corpus, CorpusSettings } from './corpus.ts';
import { decodeLabel } from './decodeText.ts';
import { openCorpusFile } from './openCorpusFile.ts';
import { openColumn, type Page } from './parquet/columnPages.ts';
import type { DocumentColumns } from './parquet/findColumns.ts';
import type { OpenFile } from './parquet/openFile.ts';
import { PageError } from './parquet/pageError.ts';
import type { RowGroupPlan } from './parquet/planRowGroups.ts';

/** Rows [rowStart, rowEnd) of file `file`, each column by row number. */
export interface RowBlock {
  kind: 'rows';
  file: number;
  rowStart: number;
  rowEnd: number;
  text(row: number): Uint8Array | null;
  /** The id column's value, or the default where it is null or not configured. */
  id(row: number): string;
  /** '' where it is null or not configured. */
  source(row: number): string;
}

/** Rows of a file that could not be read, under `onBadFile: skip`. */
export interface LostRows {
  kind: 'lost';
  file: number;
  path: string;
  rowStart: number;
  rowEnd: number;
  reason: string;
}

/**
 * The rows of the corpus with keys [keyStart, keyEnd). The rows of a page that cannot be read are lost, or of the row group
 * where the page's place is not known: an InputError under `onBadFile: fail`, a `LostRows` under 'skip', and reading goes on
 * behind it. Which rows are lost does not depend on where reading begins. A file that has changed since `openCorpus` is an
 * IntegrityError under both.
 */
export async function* readRows(
  corpus: Corpus,
  settings: CorpusSettings,
  keyStart: number,
  keyEnd: number,
): AsyncGenerator<RowBlock | LostRows> {
  for (const [f, { rowStart, rows }] of corpus.files.entries()) {
    const from = Math.max(0, keyStart - rowStart);
    const to = Math.min(rows, keyEnd - rowStart);
    if (from < to) yield* readFile(corpus, settings, f, from, to);
  }
}

async function* readFile(
  corpus: Corpus,
  settings: CorpusSettings,
  f: number,
  from: number,
  to: number,
): AsyncGenerator<RowBlock | LostRows> {
  const lost = (rowStart: number, rowEnd: number, cause: unknown): LostRows =>
    loseRows({ kind: 'lost', file: f, path: corpus.files[f].path, rowStart, rowEnd, reason: '' }, settings, cause);
  const opened = await openCorpusFile(corpus, f, settings).catch((cause) => lost(from, to, cause));
  if ('kind' in opened) return yield opened;
  try {
    let row = from;
    for (const group of opened.rowGroups) {
      const end = Math.min(group.rowEnd, to);
      if (row >= end) continue;
      const blockAt = openRowGroup(opened.file, group, opened.columns, f, corpus.files[f].name);
      while (row < end) {
        const block = await blockAt(row).catch((cause) => lost(row, Math.min(to, rowAfter(cause)), cause));
        yield block.rowEnd > to ? { ...block, rowEnd: to } : block;
        row = block.rowEnd;
      }
    }
  } finally {
    await opened.file.close();
  }
}

/** Where reading may go on after a PageError; throws any other. */
export function rowAfter(cause: unknown): number {
  if (cause instanceof PageError) return cause.rowEnd;
  throw cause;
}

/** The block of rows that begins at `row` and ends where the first page ends. Rows must be asked for in ascending order. Throws PageError. */
export type BlockAt = (row: number) => Promise<RowBlock>;

/** `file` and `name` are the file's index in the corpus and what its default ids begin with. */
export function openRowGroup(
  open: OpenFile,
  group: RowGroupPlan,
  columns: DocumentColumns,
  file: number,
  name: string,
): BlockAt {
  const pagesAt = group.chunks.map((chunk) => openColumn(open, chunk, group.rowStart, group.rowEnd));
  return async (row) => {
    const pages: Page[] = [];
    for (const pageAt of pagesAt) pages.push(await pageAt(row));
    const rowEnd = Math.min(...pages.map((page) => page.rowEnd));
    const [text] = pages;
    const id = columns.id && pages[1];
    const source = columns.source && pages[pages.length - 1];
    return {
      kind: 'rows',
      file,
      rowStart: row,
      rowEnd,
      text: (r) => text.values(r - text.rowStart) as Uint8Array | null,
      id: (r) => (id && decodeLabel(id.values(r - id.rowStart), columns.id!.kind)) ?? `${name}:${r}`,
      source: (r) => (source && decodeLabel(source.values(r - source.rowStart), columns.source!.kind)) ?? '',
    };
  };
}

/** `lost` with its reason, or the error that ends the run. */
function loseRows(lost: LostRows, { onBadFile }: CorpusSettings, cause: unknown): LostRows {
  if (cause instanceof HeadwaterError && !(cause instanceof InputError)) throw cause;
  const reason = (cause as Error).message;
  if (onBadFile === 'skip') return { ...lost, reason };
  throw new InputError(
    `readDocuments cannot read rows ${lost.rowStart} to ${lost.rowEnd - 1} of ${lost.path}: ${reason}; ` +
      'fetch the file again, or set corpus.onBadFile: skip to go on without them',
    { cause },
  );
}

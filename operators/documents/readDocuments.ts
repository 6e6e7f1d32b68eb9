/** Reads the corpus as slices of documents, in reading order: the source of the flow. */
import type { DocumentBatch, SetAside } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import type { Corpus, CorpusFile, CorpusSettings } from './corpus.ts';
import { decodeText } from './decodeText.ts';
import { type LostRows, type RowBlock, readRows } from './readRows.ts';
import { sliceEnd } from './sliceEnd.ts';

/** When a slice is full: whichever comes first. */
export interface SliceSize {
  documents: number;
  /** Estimated: four bytes of UTF-8 a token, `contextTokens` at most and 1 at least for a document. */
  tokens: number;
  /** Rows of a file after which a slice ends whatever it holds, so that another reader may begin behind it: see `sliceEnd`. */
  rows: number;
}

/** A slice of the corpus. Over all slices, rows = documents + set aside + lost. */
export interface DocumentSlice extends DocumentBatch {
  /** The key after the last row that the slice has read or lost: where the next one begins. */
  keyEnd: number;
  /** Documents whose invalid text was replaced by U+FFFD. */
  replaced: number;
  /** Rows that could not be read, under `onBadFile: skip`. */
  lost: LostRows[];
}

/** Where reading begins: the defaults, or the place behind a slice read before. */
export interface ReadFrom {
  batch: number;
  key: number;
}

/**
 * Slices numbered from 0; where they end depends on the corpus, `settings`, `size` and where the last `sliceEnd` before
 * `from.key` lies. Rows that are no document (null, empty, whitespace, invalid) are set aside in the slice that is being filled;
 * a slice may hold nothing else. Throws InputError where rows cannot be read and `onBadFile` is 'fail' or a text is invalid and
 * `onBadRow` is 'fail', IntegrityError where a file has changed.
 */
export async function* readDocuments(
  corpus: Corpus,
  settings: CorpusSettings,
  size: SliceSize,
  contextTokens: number,
  from: ReadFrom = { batch: 0, key: 0 },
): AsyncGenerator<DocumentSlice> {
  const keyStart = Math.max(settings.skip, from.key);
  const keyEnd = Math.min(corpus.rows, settings.skip + (settings.limit ?? corpus.rows));
  const how = { settings, size, contextTokens };
  let { batch } = from;
  let filling = emptySlice(settings);
  for await (const rows of readRows(corpus, settings, keyStart, keyEnd)) {
    const file = corpus.files[rows.file];
    for (let row = rows.rowStart; row < rows.rowEnd; ) {
      const end = sliceEnd(file, row, size.rows);
      row = addRows(filling, rows, row, Math.min(end, rows.rowEnd), file, how);
      filling.keyEnd = file.rowStart + row;
      if (row < end && !isFull(filling, size)) continue;
      yield sealSlice(filling, batch++, filling.keyEnd);
      filling = emptySlice(settings);
    }
  }
  if (filling.key.length + filling.setAside.length + filling.lost.length > 0)
    yield sealSlice(filling, batch, filling.keyEnd);
}

interface Filling {
  key: number[];
  file: number[];
  row: number[];
  id: string[];
  source: string[] | null;
  text: string[];
  setAside: SetAside[];
  lost: LostRows[];
  replaced: number;
  keyEnd: number;
  tokens: number;
  bytes: number;
}

function emptySlice({ sourceColumn }: CorpusSettings): Filling {
  const source = sourceColumn === undefined ? null : [];
  const counts = { replaced: 0, keyEnd: 0, tokens: 0, bytes: 0 };
  return { key: [], file: [], row: [], id: [], source, text: [], setAside: [], lost: [], ...counts };
}

interface How {
  settings: CorpusSettings;
  size: SliceSize;
  contextTokens: number;
}

/** Adds the rows [rowStart, rowEnd) until the slice is full; gives the row behind the last one added. */
function addRows(
  into: Filling,
  rows: RowBlock | LostRows,
  rowStart: number,
  rowEnd: number,
  file: CorpusFile,
  how: How,
): number {
  if (rows.kind === 'lost') {
    into.lost.push({ ...rows, rowStart, rowEnd });
    return rowEnd;
  }
  let row = rowStart;
  while (row < rowEnd && !isFull(into, how.size)) addRow(into, rows, row++, file, how);
  return row;
}

const BYTES_PER_TOKEN = 4;

function addRow(
  into: Filling,
  rows: RowBlock,
  row: number,
  file: CorpusFile,
  { settings: { invalidText, onBadRow }, contextTokens }: How,
): void {
  const decoded = decodeText(rows.text(row), invalidText);
  const place = { key: file.rowStart + row, file: rows.file, row, id: rows.id(row) };
  if (decoded.text === null) {
    if (decoded.reason === 'invalid text' && onBadRow === 'fail') throw invalidRow(file, row, decoded.detail);
    into.setAside.push({ ...place, reason: decoded.reason, detail: decoded.detail });
    return;
  }
  into.key.push(place.key);
  into.file.push(place.file);
  into.row.push(place.row);
  into.id.push(place.id);
  into.source?.push(rows.source(row));
  into.text.push(decoded.text);
  into.replaced += decoded.replaced ? 1 : 0;
  into.tokens += Math.max(1, Math.min(contextTokens, Math.ceil(decoded.bytes / BYTES_PER_TOKEN)));
  into.bytes += decoded.bytes;
}

function invalidRow({ path }: CorpusFile, row: number, detail: string): InputError {
  return new InputError(
    `readDocuments expected valid text in row ${row} of ${path}, got ${detail}; mend it, set corpus.invalidText: replace to ` +
      'read it with U+FFFD there, or corpus.onBadRow: setAside to go on without it',
  );
}

// a slice of 512 documents of 10 MB each would take 5 GB although it counts few tokens
const MOST_SLICE_BYTES = 32 * 1024 * 1024;
// a corpus of nulls must not gather in one slice
const MOST_SET_ASIDE = 10_000;

function isFull({ key, tokens, bytes, setAside }: Filling, size: SliceSize): boolean {
  return (
    key.length >= size.documents ||
    tokens >= size.tokens ||
    bytes >= MOST_SLICE_BYTES ||
    setAside.length >= MOST_SET_ASIDE
  );
}

function sealSlice(filling: Filling, batch: number, keyEnd: number): DocumentSlice {
  const { key, file, row, id, source, text, setAside, lost, replaced } = filling;
  return {
    batch,
    key: Float64Array.from(key),
    file: Uint32Array.from(file),
    row: Float64Array.from(row),
    id,
    source,
    text,
    setAside,
    extra: {},
    keyEnd,
    replaced,
    lost,
  };
}

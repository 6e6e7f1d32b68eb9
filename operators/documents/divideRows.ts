/** Divides a range of a corpus's rows among shards, so that each has about as much text to read. */
import path from 'node:path';
import type { Corpus } from './corpus.ts';
import { type OpenSettings, planFile } from './openCorpusFile.ts';
import { openFile } from './parquet/openFile.ts';
import { endsWith, sliceEnd } from './sliceEnd.ts';

/** Rows with the keys [keyStart, keyEnd). */
export interface RowRange {
  keyStart: number;
  keyEnd: number;
}

/**
 * `count` ranges, one behind the other, that together are [keyStart, keyEnd). They meet where slices of `rows` rows end, so that
 * the shards' slices are the undivided run's. Each has nearly the same compressed bytes of the text column as the footers tell,
 * taken as spread evenly within a row group; the last ones are empty where there are too few places to meet.
 * Throws what cannot be read as openFile and planRowGroups do.
 */
export async function divideRows(
  corpus: Corpus,
  settings: OpenSettings,
  keyStart: number,
  keyEnd: number,
  count: number,
  rows: number,
): Promise<RowRange[]> {
  const pieces = await textPieces(corpus, settings, keyStart, keyEnd);
  const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
  const cuts = [keyStart];
  for (let n = 1; n < count; n++) {
    const key = meetingNear(corpus, keyAt(pieces, (bytes * n) / count), rows, cuts[n - 1]);
    cuts.push(Math.min(keyEnd, key));
  }
  cuts.push(keyEnd);
  return Array.from({ length: count }, (_, n) => ({ keyStart: cuts[n], keyEnd: cuts[n + 1] }));
}

/** Rows of one row group and the bytes of their text. */
interface Piece extends RowRange {
  bytes: number;
}

const FILES_AT_ONCE = 8;

async function textPieces(corpus: Corpus, settings: OpenSettings, keyStart: number, keyEnd: number): Promise<Piece[]> {
  const within = corpus.files.filter(({ rowStart, rows }) => rowStart < keyEnd && rowStart + rows > keyStart);
  const pieces: Piece[] = [];
  for (let f = 0; f < within.length; f += FILES_AT_ONCE) {
    const files = within.slice(f, f + FILES_AT_ONCE);
    const found = files.map((file) =>
      piecesOfFile(path.resolve(corpus.baseFolder, file.path), file.rowStart, settings),
    );
    pieces.push(...(await Promise.all(found)).flat());
  }
  return pieces.flatMap((piece) => clip(piece, keyStart, keyEnd));
}

async function piecesOfFile(name: string, fileStart: number, settings: OpenSettings): Promise<Piece[]> {
  const file = await openFile(name, settings.readSeconds);
  try {
    const { rowGroups } = await planFile(file, settings);
    return rowGroups.map(({ rowStart, rowEnd, chunks: [text] }) => ({
      keyStart: fileStart + rowStart,
      keyEnd: fileStart + rowEnd,
      bytes: text.end - text.start,
    }));
  } finally {
    await file.close();
  }
}

function clip(piece: Piece, from: number, to: number): Piece[] {
  const keyStart = Math.max(piece.keyStart, from);
  const keyEnd = Math.min(piece.keyEnd, to);
  if (keyStart >= keyEnd) return [];
  return [{ keyStart, keyEnd, bytes: (piece.bytes * (keyEnd - keyStart)) / (piece.keyEnd - piece.keyStart) }];
}

/** The key before which `bytes` bytes of text lie. */
function keyAt(pieces: Piece[], bytes: number): number {
  let before = 0;
  for (const { keyStart, keyEnd, bytes: own } of pieces) {
    if (before + own >= bytes) return Math.round(keyStart + ((bytes - before) / own) * (keyEnd - keyStart));
    before += own;
  }
  return pieces.at(-1)?.keyEnd ?? 0;
}

/** The key nearest to `key` at which slices meet, the lower one of two, above `after`; Infinity behind the last. */
function meetingNear(corpus: Corpus, key: number, rows: number, after: number): number {
  const below = meetingBelow(corpus, key, rows);
  const above = meetingAbove(corpus, Math.max(key, after), rows);
  return below > after && key - below <= above - key ? below : above;
}

/** The greatest meeting at or before `key`; 0 where there is none. */
function meetingBelow({ files }: Corpus, key: number, rows: number): number {
  for (let f = files.findLastIndex(({ rowStart }) => rowStart < key); f >= 0; f--) {
    const { rowStart, rows: own } = files[f];
    if (key >= rowStart + own && endsWith(files[f], rows)) return rowStart + own;
    const multiple = Math.floor(Math.min(key - rowStart, own) / rows) * rows;
    if (multiple > 0) return rowStart + multiple;
  }
  return 0;
}

function meetingAbove({ files }: Corpus, key: number, rows: number): number {
  for (let f = files.findIndex(({ rowStart, rows }) => rowStart + rows > key); f >= 0 && f < files.length; f++) {
    const end = sliceEnd(files[f], Math.max(0, key - files[f].rowStart), rows);
    if (end !== Number.POSITIVE_INFINITY) return files[f].rowStart + end;
  }
  return Number.POSITIVE_INFINITY;
}

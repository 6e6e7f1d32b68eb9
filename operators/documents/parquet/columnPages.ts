/** Reads the pages of one column of one row group, forwards, one page in memory at a time. */
import { crc32 } from 'node:zlib';
import type { PageHeader } from 'hyparquet';
import { type Dictionary, decodeDictionary, decodePage, pageRows, type Values } from './decodePage.ts';
import type { OpenFile } from './openFile.ts';
import { PageError } from './pageError.ts';
import { checkHeader, type PagePlaces, placePages, type ReadBytes, readGlances, readHeader } from './placePages.ts';
import type { ColumnChunk } from './planRowGroups.ts';

/** The values of rows [rowStart, rowEnd) of the file: row r is values(r - rowStart). */
export interface Page {
  rowStart: number;
  rowEnd: number;
  values: Values;
}

/** The page that holds `row`. Rows must be asked for in ascending order; pages in between are passed over undecoded. Throws PageError. */
export type PageAt = (row: number) => Promise<Page>;

/**
 * Opens a column for the rows [rowStart, rowEnd) of its row group. The headers of all its pages are looked through before the
 * first is decoded: one that lies about its rows would move every row behind it.
 */
export function openColumn(file: OpenFile, chunk: ColumnChunk, rowStart: number, rowEnd: number): PageAt {
  const ahead = readAhead(file, chunk.end);
  let pages: Promise<OpenPages> | null = null;
  let page: Page | null = null;
  let p = 0;
  return async (row) => {
    if (page && row < page.rowEnd) return page;
    pages ??= openPages(file, chunk, rowStart, rowEnd, ahead);
    const open = await pages;
    while (open.rows[p + 1] <= row) p++;
    page = { rowStart: open.rows[p], rowEnd: open.rows[p + 1], values: await readValues(ahead, chunk, open, p) };
    return page;
  };
}

interface OpenPages extends PagePlaces {
  dictionary: Dictionary | null;
}

async function openPages(
  file: OpenFile,
  chunk: ColumnChunk,
  rowStart: number,
  rowEnd: number,
  ahead: ReadBytes,
): Promise<OpenPages> {
  // a column that fits one window is read once
  const glance = chunk.end - chunk.start <= WINDOW_BYTES ? ahead : readGlances(file, chunk.end);
  const places = await placePages(glance, chunk, rowStart, rowEnd);
  if (!places.hasDictionary) return { ...places, dictionary: null };
  try {
    const { header, body } = await readPage(ahead, chunk.start, places.end, undefined);
    return { ...places, dictionary: decodeDictionary(body, header, chunk.column, chunk.codec) };
  } catch (cause) {
    throw new PageError(chunk, chunk.start, rowEnd, cause);
  }
}

async function readValues(
  ahead: ReadBytes,
  chunk: ColumnChunk,
  { offsets, rows, end, dictionary }: OpenPages,
  p: number,
): Promise<Values> {
  try {
    const { header, body } = await readPage(ahead, offsets[p], end, rows[p + 1] - rows[p]);
    return decodePage(body, header, chunk.column, chunk.codec, dictionary);
  } catch (cause) {
    throw new PageError(chunk, offsets[p], rows[p + 1], cause);
  }
}

/** A page that was found to hold `rows` rows, or to be a dictionary. */
async function readPage(ahead: ReadBytes, offset: number, end: number, rows: number | undefined) {
  const { header, bodyStart } = await readHeader(ahead, offset, end);
  if (pageRows(header) !== rows) throw new Error('it has changed while it was read');
  checkHeader(header, rows ?? 0, rows ?? 0, end - bodyStart);
  const body = await ahead(bodyStart, bodyStart + header.compressed_page_size);
  checkCrc(body, header);
  return { header, body };
}

function checkCrc(body: Uint8Array, { crc }: PageHeader): void {
  if (crc !== undefined && crc32(body) !== crc >>> 0) throw new Error('its checksum (CRC) does not match its bytes');
}

// columns of small pages are read a quarter of a megabyte at a time
const WINDOW_BYTES = 256 * 1024;

function readAhead(file: OpenFile, chunkEnd: number): ReadBytes {
  let window: Uint8Array = new Uint8Array(0);
  let windowStart = 0;
  return async (start, end) => {
    if (end - start >= WINDOW_BYTES) return file.read(start, end);
    if (start < windowStart || end > windowStart + window.length) {
      window = await file.read(start, Math.max(end, Math.min(start + WINDOW_BYTES, chunkEnd)));
      windowStart = start;
    }
    return Uint8Array.prototype.slice.call(window, start - windowStart, end - windowStart);
  };
}

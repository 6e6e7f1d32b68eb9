/** Finds where the pages of one column of one row group lie, from their headers alone. */
import type { PageHeader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { pageRows } from './decodePage.ts';
import { mostPageBytes } from './decompressPage.ts';
import type { OpenFile } from './openFile.ts';
import { PageError } from './pageError.ts';
import type { ColumnChunk } from './planRowGroups.ts';
import { thriftStructEnd } from './thriftStructEnd.ts';

/** Data page p begins at byte offsets[p] and holds the rows [rows[p], rows[p + 1]). */
export interface PagePlaces {
  offsets: number[];
  rows: number[];
  /** A dictionary page begins where the column begins. */
  hasDictionary: boolean;
  /** Where the last page may end. */
  end: number;
}

/**
 * Throws PageError for the whole row group where a header is not believable, or where the pages do not hold the rows
 * [rowStart, rowEnd) in all the bytes of the column, no more and no less. Old writers leave the dictionary's header out of the
 * column's size (PARQUET-816): its pages may end as much later.
 */
export async function placePages(
  read: ReadBytes,
  chunk: ColumnChunk,
  rowStart: number,
  rowEnd: number,
): Promise<PagePlaces> {
  const places: PagePlaces = { offsets: [], rows: [rowStart], hasDictionary: false, end: chunk.end };
  let offset = chunk.start;
  let row = rowStart;
  try {
    while (offset < chunk.end) {
      const { header, bodyStart } = await readHeader(read, offset, places.end);
      const rows = pageRows(header);
      checkHeader(header, rows ?? 0, rowEnd - row, places.end - bodyStart);
      row += rows ?? 0;
      if (rows === undefined) placeDictionary(places, offset === chunk.start, bodyStart - offset);
      else if (rows > 0) addPage(places, offset, row);
      offset = bodyStart + header.compressed_page_size;
    }
    if (row < rowEnd) throw new Error(`its pages hold ${row - rowStart} of ${rowEnd - rowStart} rows`);
    if (offset !== chunk.end && offset !== places.end)
      throw new Error(`its column's pages end there, the footer says at byte ${chunk.end}`);
  } catch (cause) {
    throw new PageError(chunk, offset, rowEnd, cause);
  }
  return places;
}

function addPage({ offsets, rows }: PagePlaces, offset: number, rowEnd: number): void {
  offsets.push(offset);
  rows.push(rowEnd);
}

function placeDictionary(places: PagePlaces, first: boolean, headerBytes: number): void {
  if (!first) throw new Error('it is a dictionary and not the first page of its column');
  places.hasDictionary = true;
  places.end += headerBytes;
}

/** The bytes [start, end) in a buffer of their own. */
export type ReadBytes = (start: number, end: number) => Promise<Uint8Array>;

// page headers take some 30 bytes, or more where they carry the page's least and greatest strings
const LEAST_HEADER_READ = 1024;
const MOST_HEADER_BYTES = 16 * 1024 * 1024;

/** The header at byte `offset` of a column that ends at byte `chunkEnd`, and where its page's body begins. */
export async function readHeader(
  read: ReadBytes,
  offset: number,
  chunkEnd: number,
): Promise<{ header: PageHeader; bodyStart: number }> {
  for (let length = LEAST_HEADER_READ; ; length *= 8) {
    const bytes = await read(offset, Math.min(offset + length, chunkEnd));
    const end = thriftStructEnd(bytes);
    if (end !== undefined) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      return { header: parquetHeader({ view, offset: 0 }), bodyStart: offset + end };
    }
    if (length >= MOST_HEADER_BYTES || offset + length >= chunkEnd) throw new Error('its header has no end');
  }
}

// 2^24 values take 128 MB before their first character; pages of real writers hold 2^20 at most
const MOST_PAGE_ROWS = 2 ** 24;

/** Nothing is allocated for a page before its header fits the column's bytes and the row group's rows. */
export function checkHeader(header: PageHeader, rows: number, rowsLeft: number, bytesLeft: number): void {
  const { compressed_page_size: compressed, uncompressed_page_size: uncompressed } = header;
  checkKind(header);
  if (!(compressed >= 0 && compressed <= bytesLeft))
    throw new Error(`it claims ${compressed} bytes where ${bytesLeft} are left`);
  if (!(uncompressed >= 0 && uncompressed <= mostPageBytes(compressed)))
    throw new Error(`it claims to hold ${uncompressed} bytes, compressed to ${compressed}: over the limit`);
  if (!(rows >= 0 && rows <= rowsLeft)) throw new Error(`it claims ${rows} rows where ${rowsLeft} are left`);
  if (rows > MOST_PAGE_ROWS) throw new Error(`it holds ${rows} rows, the limit is ${MOST_PAGE_ROWS}`);
}

// INDEX_PAGE is in the format, and in no file
const DETAILS = new Map([
  ['DATA_PAGE', 'data_page_header'],
  ['DATA_PAGE_V2', 'data_page_header_v2'],
  ['DICTIONARY_PAGE', 'dictionary_page_header'],
] as const);

/** A page says what it is twice: by its type and by which details it has. */
function checkKind(header: PageHeader): void {
  const details = DETAILS.get(header.type as 'DATA_PAGE');
  if (!details) throw new Error('it is of an unknown type');
  for (const name of DETAILS.values())
    if ((header[name] !== undefined) !== (name === details))
      throw new Error(`it is a ${header.type} and ${header[name] ? 'has' : 'lacks'} a ${name}`);
  const { data_page_header_v2: v2, dictionary_page_header: dictionary } = header;
  if (dictionary && !(dictionary.num_values >= 0)) throw new Error(`it claims ${dictionary.num_values} entries`);
  if (v2 && v2.num_rows !== v2.num_values) throw new Error(`it claims ${v2.num_rows} rows in ${v2.num_values} values`);
}

const SMALL_PAGE_BYTES = 16 * 1024;
const GLANCE_BYTES = 64 * 1024;

/** For looking at headers: reads what is asked for, and further on where pages follow each other closely. */
export function readGlances(file: OpenFile, chunkEnd: number): ReadBytes {
  let window: Uint8Array = new Uint8Array(0);
  let windowStart = Number.NEGATIVE_INFINITY;
  return async (start, end) => {
    if (start < windowStart || end > windowStart + window.length) {
      const close = start - windowStart - window.length < SMALL_PAGE_BYTES;
      window = await file.read(start, close ? Math.max(end, Math.min(start + GLANCE_BYTES, chunkEnd)) : end);
      windowStart = start;
    }
    return window.subarray(start - windowStart, end - windowStart);
  };
}

/** Walks the pages of one column of one row group, forwards, one page in memory at a time. */
import { crc32 } from 'node:zlib';
import type { PageHeader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { reasonOf } from '../reasonOf.ts';
import { type Dictionary, decodeDictionary, decodePage, pageRows, type Values } from './decodePage.ts';
import { mostPageBytes } from './decompressPage.ts';
import type { OpenFile } from './openFile.ts';
import type { ColumnChunk } from './planRowGroups.ts';
import { thriftStructEnd } from './thriftStructEnd.ts';

/** The values of rows [rowStart, rowEnd) of the file: row r is values(r - rowStart). */
export interface Page {
  rowStart: number;
  rowEnd: number;
  values: Values;
}

/** The page that holds `row`. Rows must be asked for in ascending order; pages in between are passed over undecoded. */
export type PageAt = (row: number) => Promise<Page>;

/** Opens a column for the rows [rowStart, rowEnd) of its row group. */
export function openColumn(file: OpenFile, chunk: ColumnChunk, rowStart: number, rowEnd: number): PageAt {
  let place: Place = { offset: chunk.start, row: rowStart, dictionary: null };
  let page: Page | null = null;
  const ahead = readAhead(file, chunk.end);
  return async (row) => {
    while (!page || page.rowEnd <= row) {
      const { offset } = place;
      try {
        if (offset >= chunk.end) throw new Error(`its pages hold ${place.row - rowStart} of ${rowEnd - rowStart} rows`);
        const next = await nextPage(ahead, chunk, place, row, rowEnd);
        place = next.place;
        page = next.page;
      } catch (cause) {
        throw new Error(`column "${chunk.column.name}", page at byte ${offset}: ${reasonOf(cause)}`, { cause });
      }
    }
    return page;
  };
}

/** Where the next page begins: its byte, its first row, and the dictionary that its values may refer to. */
interface Place {
  offset: number;
  row: number;
  dictionary: Dictionary | null;
}

/** Reads the page at `place`. `page` is null for a dictionary and for a page that ends before `row`. */
async function nextPage(ahead: ReadAhead, chunk: ColumnChunk, place: Place, row: number, rowEnd: number) {
  const { header, bodyStart } = await readHeader(ahead, chunk, place.offset);
  const rows = pageRows(header) ?? 0;
  checkHeader(header, rows, rowEnd - place.row, chunk.end - bodyStart);
  const next = { ...place, offset: bodyStart + header.compressed_page_size, row: place.row + rows };
  const isDictionary = header.type === 'DICTIONARY_PAGE';
  if (!isDictionary && next.row <= row) return { place: next, page: null };
  const body = await ahead(bodyStart, next.offset);
  checkCrc(body, header);
  if (isDictionary) {
    next.dictionary = decodeDictionary(body, header, chunk.column, chunk.codec);
    return { place: next, page: null };
  }
  const values = decodePage(body, header, chunk.column, chunk.codec, place.dictionary);
  return { place: next, page: { rowStart: place.row, rowEnd: next.row, values } };
}

// page headers take some 30 bytes, or more where they carry the page's least and greatest strings
const LEAST_HEADER_READ = 1024;
const MOST_HEADER_BYTES = 16 * 1024 * 1024;

async function readHeader(ahead: ReadAhead, chunk: ColumnChunk, offset: number) {
  for (let length = LEAST_HEADER_READ; ; length *= 8) {
    const bytes = await ahead(offset, Math.min(offset + length, chunk.end));
    const end = thriftStructEnd(bytes);
    if (end !== undefined) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      return { header: parquetHeader({ view, offset: 0 }), bodyStart: offset + end };
    }
    if (length >= MOST_HEADER_BYTES || offset + length >= chunk.end) throw new Error('its header has no end');
  }
}

// 2^24 values take 128 MB before their first character; pages of real writers hold 2^20 at most
const MOST_PAGE_ROWS = 2 ** 24;

/** Nothing is allocated for a page before its header fits the column's bytes and the row group's rows. */
function checkHeader(header: PageHeader, rows: number, rowsLeft: number, bytesLeft: number): void {
  const { compressed_page_size: compressed, uncompressed_page_size: uncompressed, type } = header;
  if (type === undefined) throw new Error('it is of an unknown type');
  if (!(compressed >= 0 && compressed <= bytesLeft))
    throw new Error(`it claims ${compressed} bytes where ${bytesLeft} are left`);
  if (!(uncompressed >= 0 && uncompressed <= mostPageBytes(compressed)))
    throw new Error(`it claims to hold ${uncompressed} bytes, compressed to ${compressed}: over the limit`);
  if (!(rows >= 0 && rows <= rowsLeft)) throw new Error(`it claims ${rows} rows where ${rowsLeft} are left`);
  if (rows > MOST_PAGE_ROWS) throw new Error(`it holds ${rows} rows, the limit is ${MOST_PAGE_ROWS}`);
}

function checkCrc(body: Uint8Array, { crc }: PageHeader): void {
  if (crc !== undefined && crc32(body) !== crc >>> 0) throw new Error('its checksum (CRC) does not match its bytes');
}

/** The bytes [start, end) in a buffer of their own. */
type ReadAhead = (start: number, end: number) => Promise<Uint8Array>;

// columns of small pages are read a quarter of a megabyte at a time
const WINDOW_BYTES = 256 * 1024;

function readAhead(file: OpenFile, chunkEnd: number): ReadAhead {
  let window: Uint8Array = new Uint8Array(0);
  let windowStart = 0;
  return async (start, end) => {
    if (end - start >= WINDOW_BYTES) return file.read(start, end);
    if (start < windowStart || end > windowStart + window.length) {
      window = await file.read(start, Math.min(start + WINDOW_BYTES, chunkEnd));
      windowStart = start;
    }
    return Uint8Array.prototype.slice.call(window, start - windowStart, end - windowStart);
  };
}

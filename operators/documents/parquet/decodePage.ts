/** Decodes the values of one data page or dictionary page of a flat column. */
import type { CompressionCodec, DataReader, Encoding, PageHeader } from 'hyparquet';
import { deltaBinaryUnpack, deltaByteArray, deltaLengthByteArray } from 'hyparquet/src/delta.js';
import { byteStreamSplit } from 'hyparquet/src/encoding.js';
import { readPlain } from 'hyparquet/src/plain.js';
import { readVarInt } from 'hyparquet/src/thrift.js';
import { decodeRuns } from './decodeRuns.ts';
import { decompressPage, mostPageBytes } from './decompressPage.ts';
import type { Column } from './findColumns.ts';

/** A value as stored: strings are still bytes. */
export type Value = Uint8Array | number | bigint | null;
/** Value `i` of a page. A function, not an array: an object per row that lives as long as its page would crowd the heap. */
export type Values = (i: number) => Value;

/** The strings or numbers that a column's pages name by index. */
export interface Dictionary {
  entries: number;
  values: Values;
}

type DecodeValues = (reader: DataReader, count: number, column: Column, dictionary: Dictionary | null) => Values;

/** Every encoding of values that is read. */
export const valueEncodings: Partial<Record<Encoding, DecodeValues>> = {
  PLAIN: decodePlain,
  PLAIN_DICTIONARY: decodeIndices,
  RLE_DICTIONARY: decodeIndices,
  DELTA_BINARY_PACKED: decodeDelta,
  DELTA_LENGTH_BYTE_ARRAY: decodeDeltaLengths,
  DELTA_BYTE_ARRAY: decodeDeltaStrings,
  BYTE_STREAM_SPLIT: decodeSplit,
};

/** How many rows a data page holds; undefined for a dictionary. */
export function pageRows({ data_page_header, data_page_header_v2 }: PageHeader): number | undefined {
  return (data_page_header ?? data_page_header_v2)?.num_values;
}

/** The entries of a dictionary page. */
export function decodeDictionary(
  body: Uint8Array,
  header: PageHeader,
  column: Column,
  codec: CompressionCodec,
): Dictionary {
  const { num_values: entries } = header.dictionary_page_header!;
  const page = decompressPage(body, header.uncompressed_page_size, codec);
  return { entries, values: decodePlain({ view: viewOf(page), offset: 0 }, entries, column) };
}

/** The values of a data page, one for each of its rows, null where there is none. */
export function decodePage(
  body: Uint8Array,
  header: PageHeader,
  column: Column,
  codec: CompressionCodec,
  dictionary: Dictionary | null,
): Values {
  const { levels, bytes, encoding, rows } = header.data_page_header_v2
    ? openPageV2(body, header, column, codec)
    : openPageV1(body, header, column, codec);
  const present = levels ? countPresent(levels) : rows;
  if (present > 0 && column.kind === 'nothing') throw new Error('it holds values, its column is one of nulls');
  const decode = valueEncodings[encoding];
  if (!decode) throw new Error(`its values are encoded as ${encoding ?? 'something unknown'}, which is not supported`);
  if (present === 0 && encoding === 'PLAIN' && bytes.length > 0)
    throw new Error(`it has ${bytes.length} bytes of values, its levels say that there are none`);
  const values = present === 0 ? () => null : decode({ view: viewOf(bytes), offset: 0 }, present, column, dictionary);
  return levels && present < rows ? withNulls(values, levels) : values;
}

interface PageParts {
  rows: number;
  /** (rows) 1 where there is a value, 0 where there is none; null where the column cannot be null. */
  levels: Uint32Array | null;
  bytes: Uint8Array;
  encoding: Encoding;
}

/** Version 1: levels and values are compressed as one; the levels' byte length comes first. */
function openPageV1(body: Uint8Array, header: PageHeader, column: Column, codec: CompressionCodec): PageParts {
  const { num_values: rows, encoding, definition_level_encoding } = header.data_page_header!;
  const bytes = decompressPage(body, header.uncompressed_page_size, codec);
  if (!column.nullable) {
    if (beginsLikeLevels(bytes, rows))
      throw new Error('it has levels of nulls, the schema says that its column has none');
    return { rows, levels: null, bytes, encoding };
  }
  if (definition_level_encoding !== 'RLE')
    throw new Error(`its levels are encoded as ${definition_level_encoding}, which is not supported`);
  const levelsEnd = 4 + viewOf(bytes).getUint32(0, true);
  if (levelsEnd > bytes.length) throw new Error('its levels reach past its end');
  const levels = decodeRuns(bytes.subarray(4, levelsEnd), 1, rows);
  return { rows, levels, bytes: bytes.subarray(levelsEnd), encoding };
}

/**
 * Levels of a page with one null would pass for the first of its strings where the schema's bit for nulls is damaged and there
 * are no statistics. No UTF-8 text reads so: of bits packed without needless padding all but one are set.
 */
function beginsLikeLevels(bytes: Uint8Array, rows: number): boolean {
  if (bytes.length < 4) return false;
  const levelsEnd = 4 + viewOf(bytes).getUint32(0, true);
  if (levelsEnd > bytes.length) return false;
  const runs = bytes.subarray(4, levelsEnd);
  const levels = levelsOf(runs, rows);
  return levels !== null && countPresent(levels) === rows - 1 && levelsOf(runs, rows + 8) === null;
}

function levelsOf(runs: Uint8Array, rows: number): Uint32Array | null {
  try {
    return decodeRuns(runs, 1, rows);
  } catch {
    return null;
  }
}

/**
 * Version 2: the levels come first, never compressed; their byte length is in the header. Its count of nulls is not asked: without
 * statistics parquet-java before 1.18 wrote -1, Arrow before 12 whatever was there.
 */
function openPageV2(body: Uint8Array, header: PageHeader, column: Column, codec: CompressionCodec): PageParts {
  const v2 = header.data_page_header_v2!;
  const { num_values: rows, encoding, definition_levels_byte_length, repetition_levels_byte_length } = v2;
  const levelsEnd = definition_levels_byte_length + repetition_levels_byte_length;
  if (!(definition_levels_byte_length >= 0 && repetition_levels_byte_length >= 0 && levelsEnd <= body.length))
    throw new Error('its levels reach past its end');
  if (repetition_levels_byte_length > 0 || (definition_levels_byte_length > 0 && !column.nullable))
    throw new Error(`it has levels of lists or nulls, its column has ${column.nullable ? 'no lists' : 'neither'}`);
  const levels = column.nullable ? decodeRuns(body.subarray(repetition_levels_byte_length, levelsEnd), 1, rows) : null;
  const compressed = body.subarray(levelsEnd);
  const bytes = decompressPage(
    compressed,
    header.uncompressed_page_size - levelsEnd,
    v2.is_compressed ? codec : 'UNCOMPRESSED',
  );
  return { rows, levels, bytes, encoding };
}

function countPresent(levels: Uint32Array): number {
  let present = 0;
  for (const level of levels) present += level;
  return present;
}

function withNulls(values: Values, levels: Uint32Array): Values {
  const rank = new Int32Array(levels.length); // the value's place among those present, -1 for none
  let next = 0;
  for (let i = 0; i < levels.length; i++) rank[i] = levels[i] === 1 ? next++ : -1;
  return (i) => (rank[i] < 0 ? null : values(rank[i]));
}

function decodePlain(reader: DataReader, count: number, column: Column): Values {
  if (column.type === 'BYTE_ARRAY') return decodeStrings(reader, count);
  const least = column.typeLength ?? (column.type === 'INT32' ? 4 : 8);
  if (count * least !== reader.view.byteLength)
    throw new Error(`it promises ${count} values of ${least} bytes in ${reader.view.byteLength} bytes`);
  return elements(readPlain(reader, column.type, count, column.typeLength));
}

/** Strings, each behind its length in four bytes. */
function decodeStrings({ view }: DataReader, count: number): Values {
  if (count * 4 > view.byteLength) throw new Error(`it promises ${count} strings in ${view.byteLength} bytes`);
  const starts = new Uint32Array(count + 1);
  let offset = 0;
  for (let i = 0; i < count; i++) {
    starts[i] = offset + 4;
    offset += 4 + view.getUint32(offset, true);
  }
  starts[count] = offset + 4;
  if (offset !== view.byteLength) throw wrongLength(offset, view.byteLength);
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return (i) => bytes.subarray(starts[i], starts[i + 1] - 4);
}

function decodeIndices(reader: DataReader, count: number, _column: Column, dictionary: Dictionary | null): Values {
  if (!dictionary) throw new Error('its values refer to a dictionary, the column has none');
  const { view } = reader;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const indices = decodeRuns(bytes.subarray(1), view.getUint8(0), count);
  const stranger = indices.find((index) => index >= dictionary.entries);
  if (stranger !== undefined) throw new Error(`it names entry ${stranger} of a dictionary of ${dictionary.entries}`);
  return (i) => dictionary.values(indices[i]);
}

function decodeSplit(reader: DataReader, count: number, { type, typeLength }: Column): Values {
  return elements(byteStreamSplit(reader, count, type, typeLength));
}

function decodeDelta(reader: DataReader, count: number, { type }: Column): Values {
  if (type !== 'INT32' && type !== 'INT64') throw new Error(`${type} values in an encoding for integers`);
  checkDelta(reader, count);
  const values = type === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
  deltaBinaryUnpack(reader, count, values);
  checkEnd(reader);
  return elements(values);
}

function decodeDeltaLengths(reader: DataReader, count: number): Values {
  checkDelta(reader, count);
  const values = new Array<Uint8Array>(count);
  deltaLengthByteArray(reader, count, values);
  checkEnd(reader);
  return elements(values);
}

/** Each string is a prefix of the one before and a suffix of its own, so that little input can ask for much memory. */
function decodeDeltaStrings(reader: DataReader, count: number): Values {
  const lengths = { view: reader.view, offset: reader.offset };
  checkDelta(lengths, count);
  const prefixes = new Int32Array(count);
  deltaBinaryUnpack(lengths, count, prefixes);
  checkDelta(lengths, count);
  const suffixes = new Int32Array(count);
  deltaBinaryUnpack(lengths, count, suffixes);
  checkStrings(prefixes, suffixes, mostPageBytes(reader.view.byteLength));
  const values = new Array<Uint8Array>(count);
  deltaByteArray(reader, count, values);
  checkEnd(reader);
  return elements(values);
}

function checkStrings(prefixes: Int32Array, suffixes: Int32Array, mostBytes: number): void {
  let previous = 0;
  let total = 0;
  for (let i = 0; i < prefixes.length; i++) {
    if (prefixes[i] < 0 || suffixes[i] < 0 || prefixes[i] > previous)
      throw new Error(`its string ${i} continues ${prefixes[i]} bytes of one of ${previous} bytes`);
    previous = prefixes[i] + suffixes[i];
    total += previous;
    if (total > mostBytes) throw new Error(`its strings take more than ${mostBytes} bytes`);
  }
}

// real writers use 4 miniblocks of 32 values, or 8 of 64
const MOST_MINIBLOCKS = 512;

/** hyparquet takes memory for as many miniblocks as the header claims, and believes the page's header on how many values there are. */
function checkDelta({ view, offset }: DataReader, count: number): void {
  const reader = { view, offset };
  const [block, miniblocks, values] = [readVarInt(reader), readVarInt(reader), readVarInt(reader)];
  if (!(block >= 1 && miniblocks >= 1 && miniblocks <= MOST_MINIBLOCKS) || block % (miniblocks * 8) !== 0)
    throw new Error(`it claims blocks of ${block} deltas in ${miniblocks} miniblocks`);
  if (values !== count) throw new Error(`it claims ${values} values, its header ${count}`);
}

// hyparquet reads strings from the whole buffer: one that runs past the page is found here
function checkEnd({ view, offset }: DataReader): void {
  if (offset !== view.byteLength) throw wrongLength(offset, view.byteLength);
}

function wrongLength(end: number, bytes: number): Error {
  return new Error(`its values end at byte ${end} of ${bytes}: a length among them is wrong`);
}

function elements(values: ArrayLike<Value>): Values {
  return (i) => values[i];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

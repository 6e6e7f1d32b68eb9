/** Corpora for the tests: the fixtures of test/fixtures/parquet, and damaged files made from them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { type CorpusSettings, openCorpus } from '../../../operators/documents/openCorpus.ts';
import { type DocumentSlice, readDocuments, type SliceSize } from '../../../operators/documents/readDocuments.ts';

export const FIXTURES = path.resolve(import.meta.dirname, '../../fixtures/parquet');
export const MANY: SliceSize = { documents: 1e6, tokens: 1e9, rows: 1e9 };
export const READ_SECONDS = 60;

/** The texts that make.py writes. */
export function fixtureText(i: number): string {
  return `Document ${i}: the slope between (0, ${i}) and (3, ${i + 9}) is 3. Größe ${i % 7} ✓`;
}

export function fixtureSource(i: number): string {
  return i % 10 === 9 ? '' : ['code', 'maths', 'prose'][i % 3];
}

export function settings(files: string | string[], more: Partial<CorpusSettings> = {}): CorpusSettings {
  const policies = { onBadFile: 'fail', onBadRow: 'setAside', invalidText: 'setAside' } as const;
  return { files: [files].flat(), textColumn: 'text', skip: 0, ...policies, readSeconds: READ_SECONDS, ...more };
}

export async function readAll(
  chosen: CorpusSettings,
  { folder = FIXTURES, size = {} as Partial<SliceSize>, contextTokens = 512, from = { batch: 0, key: 0 } } = {},
): Promise<DocumentSlice[]> {
  const corpus = await openCorpus(chosen, folder);
  const slices: DocumentSlice[] = [];
  for await (const slice of readDocuments(corpus, chosen, { ...MANY, ...size }, contextTokens, from))
    slices.push(slice);
  return slices;
}

/** A folder with the given files in it, gone when the test ends. */
export function tempFolder(files: Record<string, Uint8Array> = {}): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'headwater-documents-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(path.join(folder, name), bytes);
  return folder;
}

export function fixture(name: string): Buffer {
  return readFileSync(path.join(FIXTURES, `${name}.parquet`));
}

/** What a test may change in a file of one column and one page: fields of Thrift structures, named as in parquet.thrift. */
interface Changes {
  footer?: object;
  rowGroup?: object;
  column?: object;
  chunk?: object;
  page?: object;
  dataPage?: object;
  body?: (body: Buffer) => Uint8Array;
  /** How often the page is repeated; the rows follow suit. */
  pages?: number;
  /** The text column as the schema has it. */
  element?: object;
  /** A dictionary page in front, with fields of its header changed. */
  dictionary?: { body: Uint8Array; header?: object };
}

const require = createRequire(import.meta.url);
const thrift = require('parquetjs-lite/lib/util.js');
const structures = require('parquetjs-lite/gen-nodejs/parquet_types.js');

/** The fixture one-page.parquet (20 texts, uncompressed, one column, one page) with parts of it changed. */
export function craft(changes: Changes): Buffer {
  const bytes = fixture('one-page');
  const footer = new structures.FileMetaData();
  thrift.decodeThrift(footer, bytes.subarray(bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8), -8), 0);
  const header = new structures.PageHeader();
  const bodyStart = 4 + thrift.decodeThrift(header, bytes.subarray(4), 0);
  const body = bytes.subarray(bodyStart, bodyStart + header.compressed_page_size);
  const newBody = changes.body?.(body) ?? body;
  const sizes = { compressed_page_size: newBody.length, uncompressed_page_size: newBody.length };
  Object.assign(header, sizes, changes.page);
  Object.assign(header.data_page_header, changes.dataPage);
  const pages = changes.pages ?? 1;
  const page = Buffer.concat(new Array(pages).fill(Buffer.concat([thrift.serializeThrift(header), newBody])));
  const dictionary = changes.dictionary ? dictionaryPage(changes.dictionary) : Buffer.alloc(0);
  const [rowGroup] = footer.row_groups;
  const [column] = rowGroup.columns;
  const rows = { num_rows: 20 * pages };
  const sized = { total_compressed_size: dictionary.length + page.length, num_values: rows.num_rows };
  const placed = changes.dictionary ? { dictionary_page_offset: 4, data_page_offset: 4 + dictionary.length } : {};
  Object.assign(column.meta_data, sized, placed, changes.chunk);
  Object.assign(footer.schema[1], changes.element);
  Object.assign(column, changes.column);
  Object.assign(rowGroup, rows, changes.rowGroup);
  Object.assign(footer, rows, changes.footer);
  return parquet(Buffer.concat([dictionary, page]), thrift.serializeThrift(footer));
}

/** Its body holds strings as PLAIN has them, two where the header does not say otherwise. */
function dictionaryPage({ body, header }: NonNullable<Changes['dictionary']>): Buffer {
  const details = new structures.DictionaryPageHeader({ num_values: 2, encoding: 0, ...header });
  const sizes = { compressed_page_size: body.length, uncompressed_page_size: body.length };
  const page = new structures.PageHeader({ type: 2, ...sizes, dictionary_page_header: details });
  return Buffer.concat([thrift.serializeThrift(page), body]);
}

/** The statistics of a page whose greatest string is long: they lie in the page's header. */
export function longStatistics(bytes: number): object {
  return new structures.Statistics({ max_value: 'x'.repeat(bytes) });
}

/** A file of `data` from byte 4 on and the given footer. */
export function parquet(data: Uint8Array, footer: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(footer.length);
  return Buffer.concat([Buffer.from('PAR1'), data, footer, length, Buffer.from('PAR1')]);
}

export async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error) => `${error.name}: ${error.message}`,
  );
}

/** Finds where the chosen columns of every row group lie in the file, and refuses what cannot be there. */
import type { ColumnMetaData, CompressionCodec, FileMetaData, RowGroup } from 'hyparquet';
import { valueEncodings } from './decodePage.ts';
import { codecs } from './decompressPage.ts';
import type { Column } from './findColumns.ts';
import type { Footer } from './readFooter.ts';

/** One column of one row group: its pages lie one behind the other in the bytes [start, end). */
export interface ColumnChunk {
  column: Column;
  /** The row group's place in the file. */
  rowGroup: number;
  codec: CompressionCodec;
  start: number;
  end: number;
}

/** Rows [rowStart, rowEnd) of a file. */
export interface RowGroupPlan {
  /** The row group's place in the file. */
  index: number;
  rowStart: number;
  rowEnd: number;
  chunks: ColumnChunk[];
}

// an all-null or constant column takes next to nothing, so rows have no true limit by bytes; this one is far above any real file
const MOST_ROWS_PER_BYTE = 65536;

/** Throws a plain Error that names row group and column; the caller knows the file's name. */
export function planRowGroups(footer: Footer, columns: Column[]): RowGroupPlan[] {
  const plans = planEach(footer, columns);
  refuseOverlaps(footer.metadata, plans);
  return plans;
}

function planEach(footer: Footer, columns: Column[]): RowGroupPlan[] {
  const plans: RowGroupPlan[] = [];
  let rowStart = 0;
  for (const [index, group] of footer.metadata.row_groups.entries()) {
    const rowEnd = rowStart + Number(group.num_rows);
    if (rowEnd > rowStart) {
      const chunks = columns.map((column) => planChunk(footer, group, index, column));
      plans.push({ index, rowStart, rowEnd, chunks });
    }
    rowStart = rowEnd;
  }
  return plans;
}

function planChunk(footer: Footer, group: RowGroup, index: number, column: Column): ColumnChunk {
  const where = `row group ${index}, column "${column.name}"`;
  const metadata = findChunk(group, where, column);
  const { codec, num_values, statistics } = metadata;
  if (!codecs[codec])
    throw new Error(`${where} is compressed with ${codec ?? 'an unknown codec'}; ${supported(Object.keys(codecs))}`);
  checkEncodings(metadata, where);
  const { start, end } = extentOf(metadata);
  if (!(start >= 4 && start < end && end <= footer.start))
    throw new Error(`${where} lies at bytes ${start} to ${end}, the file's data at bytes 4 to ${footer.start}`);
  if (num_values !== group.num_rows) throw new Error(`${where} holds ${num_values} values for ${group.num_rows} rows`);
  if (Number(num_values) > (end - start) * MOST_ROWS_PER_BYTE)
    throw new Error(`${where} promises ${num_values} rows in ${end - start} bytes`);
  if (!column.nullable && Number(statistics?.null_count ?? 0) > 0)
    throw new Error(`${where} has ${statistics!.null_count} nulls, the schema says that it has none`);
  return { column, rowGroup: index, codec, start, end };
}

/** Columns lie in the order of the schema, and each says its name. */
function findChunk(group: RowGroup, where: string, column: Column): ColumnMetaData {
  const chunk = group.columns[column.leaf];
  if (!chunk) throw new Error(`${where} is missing from the footer`);
  if (chunk.crypto_metadata || chunk.encrypted_column_metadata || !chunk.meta_data)
    throw new Error(`${where} is encrypted; decrypt it first (write it again without encryption)`);
  if (chunk.file_path) throw new Error(`${where} lies in another file, ${chunk.file_path}; give that file`);
  const path = chunk.meta_data.path_in_schema;
  if (path.length !== 1 || path[0] !== column.name)
    throw new Error(`${where} is called "${path.join('.')}" in the footer, the schema says "${column.name}"`);
  if (chunk.meta_data.type !== column.type)
    throw new Error(`${where} holds ${chunk.meta_data.type}, the schema says ${column.type}`);
  return chunk.meta_data;
}

// levels of flat columns are RLE; old Java writers name BIT_PACKED for levels that are not there
const LEVEL_ENCODINGS = ['RLE', 'BIT_PACKED'];

function checkEncodings({ encodings }: ColumnMetaData, where: string): void {
  const readable = [...Object.keys(valueEncodings), ...LEVEL_ENCODINGS];
  for (const encoding of encodings ?? [])
    if (!readable.includes(encoding))
      throw new Error(
        `${where} is encoded as ${encoding ?? 'something unknown'}; ${supported(Object.keys(valueEncodings))}`,
      );
}

/** The dictionary page, where there is one, lies before the data pages. Some writers give 0 or a later offset for none. */
function chunkStart({ data_page_offset, dictionary_page_offset }: ColumnMetaData): number {
  const data = Number(data_page_offset);
  const dictionary = Number(dictionary_page_offset ?? 0);
  return dictionary > 0 && dictionary < data ? dictionary : data;
}

/** Bytes that two columns claim are one column's, and nobody knows which. */
function refuseOverlaps({ row_groups }: FileMetaData, plans: RowGroupPlan[]): void {
  const chosen = new Set(plans.flatMap(({ chunks }) => chunks.map(({ start }) => start)));
  const extents = row_groups.flatMap((group) =>
    group.columns.flatMap(({ meta_data, file_path }) => (meta_data && !file_path ? [extentOf(meta_data)] : [])),
  );
  extents.sort((a, b) => a.start - b.start);
  let before = { start: 0, end: 0 };
  for (const extent of extents) {
    if (extent.start < before.end && (chosen.has(extent.start) || chosen.has(before.start)))
      throw new Error(
        `two of its columns lie at bytes ${before.start} to ${before.end} and ${extent.start} to ${extent.end}`,
      );
    if (extent.end > before.end) before = extent;
  }
}

function extentOf(metadata: ColumnMetaData): { start: number; end: number } {
  const start = chunkStart(metadata);
  return { start, end: start + Number(metadata.total_compressed_size) };
}

function supported(names: string[]): string {
  return `this reader knows ${names.join(', ')}: write the file again with one of them`;
}

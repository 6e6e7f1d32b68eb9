/** Reads the footer of a Parquet file: what columns it has and where they lie. Nothing in it is believed that the file's size contradicts. */
import { createHash } from 'node:crypto';
import { type FileMetaData, parquetMetadata, parquetSchema } from 'hyparquet';
import type { OpenFile } from './openFile.ts';
import { thriftStructEnd } from './thriftStructEnd.ts';

export interface Footer {
  metadata: FileMetaData;
  rows: number;
  /** Where the footer begins: no page may reach past it. */
  start: number;
  /** SHA-256 of the footer's bytes. */
  hash: string;
}

// magic, footer length, magic: the least a Parquet file holds
const LEAST_BYTES = 12;
const FIRST_READ = 64 * 1024;
// hyparquet builds about 20 times the footer's bytes in objects; real footers of thousands of columns stay below 10 MB
const MOST_FOOTER_BYTES = 32 * 1024 * 1024;

/** Throws a plain Error that says what is wrong and at which byte; the caller knows the file's name. */
export async function readFooter(file: OpenFile): Promise<Footer> {
  if (file.bytes === 0) throw new Error('it is empty (0 bytes)');
  if (file.bytes < LEAST_BYTES) throw new Error(`it has only ${file.bytes} bytes, the smallest Parquet file has more`);
  const tail = await file.read(Math.max(0, file.bytes - FIRST_READ), file.bytes);
  const start = await footerStart(file, tail);
  const inTail = start - (file.bytes - tail.length);
  const footer = inTail >= 0 ? tail.subarray(inTail) : await file.read(start, file.bytes);
  const metadata = parseFooter(footer, start);
  return { metadata, rows: rowCount(metadata), start, hash: createHash('sha256').update(footer).digest('hex') };
}

async function footerStart(file: OpenFile, tail: Uint8Array): Promise<number> {
  const magic = text(tail.subarray(-4));
  if (magic === 'PARE')
    throw new Error('its footer is encrypted; decrypt it first (write it again without encryption)');
  if (magic !== 'PAR1') throw await notParquet(file);
  const length = new DataView(tail.buffer, tail.byteOffset, tail.length).getUint32(tail.length - 8, true);
  if (length > file.bytes - LEAST_BYTES)
    throw new Error(
      `at byte ${file.bytes - 8} it claims a footer of ${length} bytes, the whole file has ${file.bytes}`,
    );
  if (length > MOST_FOOTER_BYTES)
    throw new Error(
      `its footer of ${length} bytes is over the limit of ${MOST_FOOTER_BYTES}; write it with fewer columns`,
    );
  return file.bytes - 8 - length;
}

async function notParquet(file: OpenFile): Promise<Error> {
  const magic = text(await file.read(0, 4));
  if (magic === 'PAR1' || magic === 'PARE')
    return new Error(`it begins as Parquet but at byte ${file.bytes - 4} does not end as Parquet: it was cut short`);
  return new Error(`it is not Parquet: its first bytes are ${JSON.stringify(magic)}, not "PAR1"`);
}

// nonce and tag behind a footer that is signed and not encrypted
const SIGNATURE_BYTES = 28;

function parseFooter(footer: Uint8Array, start: number): FileMetaData {
  try {
    const end = thriftStructEnd(footer.subarray(0, -8));
    if (end === undefined) throw new Error('its structures reach past its end');
    const left = footer.length - 8 - end;
    if (left !== 0 && left !== SIGNATURE_BYTES) throw new Error(`its structures end ${left} bytes before it does`);
    const metadata = parquetMetadata(footer, { geoparquet: false });
    parquetSchema(metadata); // throws where the columns do not add up to the schema's tree
    return metadata;
  } catch (cause) {
    const reason = cause instanceof TypeError ? 'a part of it is missing or of another kind' : (cause as Error).message;
    throw new Error(`its footer, from byte ${start}, is damaged: ${reason}`, { cause });
  }
}

/** The file's rows: each row group's, added up, must be what the footer says. */
function rowCount({ num_rows, row_groups }: FileMetaData): number {
  const groups = row_groups.map((group) => Number(group.num_rows));
  const bad = groups.findIndex((rows) => !(rows >= 0));
  if (bad >= 0) throw new Error(`its footer gives row group ${bad} ${groups[bad]} rows`);
  const sum = groups.reduce((total, rows) => total + rows, 0);
  if (sum !== Number(num_rows)) throw new Error(`its footer promises ${num_rows} rows, its row groups hold ${sum}`);
  return sum;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/**
 * Reads every file of a checkout of apache/parquet-testing, each in a process of its own, and compares what is read with DuckDB:
 * `npx tsx bench/parquetTesting.ts <checkout>`. Ends with exit code 1 where a file is not as promised.
 */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetSchema } from 'hyparquet';
import { decodeLabel } from '../operators/documents/decodeText.ts';
import { type CorpusSettings, openCorpus } from '../operators/documents/openCorpus.ts';
import { openColumn } from '../operators/documents/parquet/columnPages.ts';
import { type Column, findLabels } from '../operators/documents/parquet/findColumns.ts';
import { type OpenFile, openFile } from '../operators/documents/parquet/openFile.ts';
import { PageError } from '../operators/documents/parquet/pageError.ts';
import { planRowGroups } from '../operators/documents/parquet/planRowGroups.ts';
import { type Footer, readFooter } from '../operators/documents/parquet/readFooter.ts';
import { InputError } from '../schemas/errors.ts';

const MOST_SECONDS = 5;
const MOST_MB = 500;
const READ_SECONDS = 60;

/** How reading one file ended. */
interface Ending {
  /** 'refused': an error of ours; 'differs': DuckDB reads something else; 'raw error': somebody else's. */
  outcome: 'read' | 'refused' | 'differs' | 'raw error';
  detail: string;
}

interface Measured extends Ending {
  name: string;
  seconds: number;
  peakMB: number;
}

/** Every column that could hold texts or labels, value by value; what a run says of the file where it has none. */
async function readWhole(name: string): Promise<Ending> {
  const names = await columnNames(name).catch(() => []);
  const read: string[] = [];
  for (const column of names) {
    const values = await readColumn(name, column).catch((error: Error) => error);
    if (values === null) continue;
    if (values instanceof Error) return refusal(values);
    const other = await duckValues(name, column).catch((error: Error) => error);
    if (other instanceof Error) read.push(`${column}: ${values.length} rows, DuckDB: ${firstLine(other)}`);
    else if (JSON.stringify(values) !== JSON.stringify(other)) return difference(column, values, other);
    else read.push(`${column}: ${values.length} rows as DuckDB`);
  }
  if (read.length > 0) return { outcome: 'read', detail: read.join('; ') };
  return openCorpus(corpusOf(path.basename(name), names[0] ?? 'text'), path.dirname(name)).then(
    () => ({ outcome: 'differs', detail: 'opened, and none of its columns can be read' }),
    refusal,
  );
}

async function columnNames(name: string): Promise<string[]> {
  const { metadata } = await withFooter(name, async (_, footer) => footer);
  return parquetSchema(metadata).children.map(({ element }) => element.name);
}

/** Texts as hex, labels as strings; null where the column is of a kind that is not read. */
async function readColumn(name: string, columnName: string): Promise<(string | null)[] | null> {
  return withFooter(name, async (file, footer) => {
    let column: Column;
    try {
      column = findLabels(footer.metadata, columnName);
    } catch {
      return null;
    }
    const values: (string | null)[] = [];
    for (const { rowStart, rowEnd, chunks } of planRowGroups(footer, [column])) {
      const pageAt = openColumn(file, chunks[0], rowStart, rowEnd);
      for (let row = rowStart; row < rowEnd; row++) {
        const page = await pageAt(row);
        const value = page.values(row - page.rowStart);
        const isText = column.kind === 'text' && value instanceof Uint8Array;
        values.push(isText ? Buffer.from(value).toString('hex').toUpperCase() : decodeLabel(value, column.kind));
      }
    }
    return values;
  });
}

async function withFooter<T>(name: string, use: (file: OpenFile, footer: Footer) => Promise<T>): Promise<T> {
  const file = await openFile(name, READ_SECONDS);
  try {
    return await use(file, await readFooter(file));
  } finally {
    await file.close();
  }
}

function corpusOf(name: string, textColumn: string): CorpusSettings {
  const policies = { onBadFile: 'fail', onBadRow: 'setAside', invalidText: 'setAside' } as const;
  return { files: [name], textColumn, skip: 0, ...policies, readSeconds: READ_SECONDS };
}

async function duckValues(name: string, column: string): Promise<(string | null)[]> {
  const duck = await (await DuckDBInstance.create(':memory:')).connect();
  const quoted = `"${column.replaceAll('"', '""')}"`;
  const from = `FROM read_parquet('${name.replaceAll("'", "''")}')`;
  const [[, type]] = (await duck.runAndReadAll(`DESCRIBE SELECT ${quoted} ${from}`)).getRows();
  const value = type === 'VARCHAR' || type === 'BLOB' ? `hex(${quoted})` : `CAST(${quoted} AS VARCHAR)`;
  const rows = (await duck.runAndReadAll(`SELECT ${value} ${from}`)).getRows();
  return rows.map(([text]) => text as string | null);
}

/** The classes of errors that a run turns into an InputError with the file's name, and that error. */
function refusal(error: Error): Ending {
  const ours = error instanceof InputError || error instanceof PageError || error.constructor === Error;
  return { outcome: ours ? 'refused' : 'raw error', detail: lastLine(error) };
}

function difference(column: string, ours: (string | null)[], theirs: (string | null)[]): Ending {
  const row = ours.findIndex((value, r) => value !== theirs[r]);
  const detail = `${column}: ${ours.length} rows, DuckDB ${theirs.length}; row ${row}: ${ours[row]}, DuckDB ${theirs[row]}`;
  return { outcome: 'differs', detail };
}

const firstLine = (error: Error): string => error.message.split('\n')[0].slice(0, 120);
const lastLine = (error: Error): string => error.message.split('\n').at(-1)!.trim().slice(0, 240);

/** Reads one file in a process of its own: its peak memory is the file's, Node's and DuckDB's. */
function measure(folder: string, name: string): Promise<Measured> {
  const start = performance.now();
  const command = ['--import', 'tsx', fileURLToPath(import.meta.url), '--one', path.join(folder, name)];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { timeout: 60_000 }, (error, stdout) => {
      const seconds = (performance.now() - start) / 1000;
      const died = { outcome: 'raw error', detail: `the process ended: ${error?.message}`, peakMB: 0 } as const;
      resolve({ name, seconds, ...(error ? died : JSON.parse(stdout)) });
    });
  });
}

/** Files of bad_data in which nothing is wrong with what a document is made of. */
const HARMLESS = new Map([
  ['bad_data/ARROW-GH-41317.parquet', 'its only damaged column holds times'],
  [
    'bad_data/ARROW-GH-43605.parquet',
    'its indices of 0 bits are as the format has them, and read as DuckDB reads them',
  ],
]);

/** Whether a file ended as promised: bad ones refused, good ones read; those of other columns may be refused by name. */
function asPromised({ name, outcome, seconds, peakMB }: Measured): boolean {
  const mustFail = (name.startsWith('bad_data/') && !HARMLESS.has(name)) || name.includes('corrupt-checksum');
  const mustRead = name.includes('checksum') && !mustFail;
  if (seconds > MOST_SECONDS || peakMB > MOST_MB) return false;
  return outcome === 'refused' ? !mustRead : outcome === 'read' && !mustFail;
}

async function compareAll(folder: string): Promise<void> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const measured: Measured[] = [];
  console.log('| file | outcome | seconds | peak MB | |\n|---|---|---|---|---|');
  for (const name of files.filter((file) => /^(bad_data|data)\/.*\.parquet(\.encrypted)?$/.test(file)).sort()) {
    const ending = await measure(folder, name);
    measured.push(ending);
    const { outcome, seconds, peakMB, detail } = ending;
    const note = HARMLESS.get(name) ?? detail;
    console.log(
      `| ${name}${asPromised(ending) ? '' : ' (!)'} | ${outcome} | ${seconds.toFixed(1)} | ${peakMB} | ${note} |`,
    );
  }
  const broken = measured.filter((ending) => !asPromised(ending));
  const count = (wanted: Ending['outcome']) => measured.filter(({ outcome }) => outcome === wanted).length;
  const slowest = Math.max(...measured.map(({ seconds }) => seconds));
  const largest = Math.max(...measured.map(({ peakMB }) => peakMB));
  console.log(
    `\n${measured.length} files: ${count('read')} read, ${count('refused')} refused, ${broken.length} not as promised; ` +
      `${slowest.toFixed(1)} s and ${largest} MB at most, a process of Node and DuckDB each`,
  );
  process.exitCode = broken.length > 0 ? 1 : 0;
}

const [first, one] = process.argv.slice(2);
if (first === '--one') {
  const ending = await readWhole(one);
  console.log(JSON.stringify({ ...ending, peakMB: Math.round(process.resourceUsage().maxRSS / 1000) }));
} else if (first) await compareAll(first);
else {
  console.error('usage: npx tsx bench/parquetTesting.ts <checkout of apache/parquet-testing>');
  process.exitCode = 2;
}

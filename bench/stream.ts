/**
 * A million short documents through the real program with gradients that cost nothing: `npx tsx bench/stream.ts`. Says how many
 * documents a second reading, tokenising, the pool, the folds and the tables take, and whether memory depends on how many there are:
 * the peak over all of them against that over the first 10,000. Ends with 1 where they differ by more than 10 %.
 * `--documents N`, `--few N`, `--set key=value`, `--json FILE`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { describeMachine } from './machine.ts';
import { gib, printReport, type ReportRow } from './report.ts';
import { type HeadwaterConfiguration, type HeadwaterRun, runHeadwater } from './runHeadwater.ts';

const tolerance = 0.1;
const rowGroup = 50_000;
const { values: options } = parseArgs({
  options: {
    documents: { type: 'string', default: '1000000' },
    few: { type: 'string', default: '10000' },
    set: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
  },
});
const documents = Number(options.documents);
const few = Number(options.few);

const datasets = join(import.meta.dirname, '..', 'datasets');
const folder = await mkdtemp(join(tmpdir(), 'headwater-stream-'));
try {
  await writeDocuments(join(folder, 'documents.parquet'));
  const flags = ['--quiet', ...options.set.flatMap((set) => ['--set', set])];
  const short = await runHeadwater(configuration(few), folder, flags);
  const whole = await runHeadwater(configuration(documents), folder, flags);
  await report(short, whole);
} finally {
  await rm(folder, { recursive: true });
}

/** Sentences of 8 to 15 words, no two alike, in row groups of 50,000. */
async function writeDocuments(file: string): Promise<void> {
  const words = `string_split('the river flows past an old mill where grain was once ground between two stones and sold in the town', ' ')`;
  const word = `list_extract(${words}, 1 + (hash(i, j) % len(${words}))::INTEGER)`;
  const text = `list_reduce(list_transform(range(7 + (hash(i) % 8)::INTEGER), lambda j: ${word}), lambda a, b: a || ' ' || b)`;
  const rows = `SELECT 'document ' || i AS id, ${text} || ' ' || i AS text, 'source ' || i % 5 AS source FROM range(${documents}) AS numbers(i)`;
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(`COPY (${rows}) TO '${file}' (FORMAT parquet, ROW_GROUP_SIZE ${rowGroup})`);
  connection.closeSync();
  instance.closeSync();
}

function configuration(limit: number): HeadwaterConfiguration {
  return {
    model: join(datasets, 'model'),
    corpus: { files: ['documents.parquet'], idColumn: 'id', sourceColumn: 'source', limit },
    queries: join(datasets, 'queries.jsonl'),
    contextTokens: 256,
    preconditioner: { kind: 'identity' },
    projection: { kind: 'random', k: 16 },
    explain: { documents: 0 },
    operators: [join(import.meta.dirname, 'noopGradients.ts')],
    out: 'out',
    cache: 'cache',
  };
}

async function report(short: HeadwaterRun, whole: HeadwaterRun): Promise<void> {
  const growth = whole.peakBytes / short.peakBytes - 1;
  const bounded = growth <= tolerance;
  const speed = (documents - few) / (whole.seconds - short.seconds);
  await printReport(
    {
      title: `${documents.toLocaleString('en')} short documents through a no-op gradient operator`,
      machine: describeMachine(),
      rows: [row(few, short), row(documents, whole)],
      notes: [
        `${Math.round(speed).toLocaleString('en')} documents/s beyond the first ${few.toLocaleString('en')}`,
        `peak memory ${growth < 0 ? '' : '+'}${(100 * growth).toFixed(1)} % from ${few.toLocaleString('en')} to ${documents.toLocaleString('en')} documents (bound ${100 * tolerance} %): ${bounded ? 'bounded' : 'GROWS'}`,
      ],
      raw: { short, whole },
    },
    options.json,
  );
  process.exitCode = bounded ? 0 : 1;
}

function row(count: number, { seconds, cpuSeconds, peakBytes }: HeadwaterRun): ReportRow {
  return {
    documents: count.toLocaleString('en'),
    seconds: seconds.toFixed(1),
    'documents/s, start-up included': Math.round(count / seconds).toLocaleString('en'),
    'cores busy': (cpuSeconds / seconds).toFixed(2),
    'peak memory': gib(peakBytes),
  };
}

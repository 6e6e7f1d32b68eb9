/**
 * The whole run beside PyTorch's plain forward + backward: `npx tsx bench/run.ts`. `headwater run` on SmolLM2-135M over 200 real
 * documents of 512 tokens with 16 queries, random projection with k = 64, two workers; PyTorch with as many threads on the same tokens,
 * half of them before and half after, so that a machine that slows down shows. `--documents N` for a quick try, `--workers N`,
 * `--set key=value` for any key of the configuration, `--json FILE`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadTokenizer } from '../operators/tokens/loadTokenizer.ts';
import { benchPaths } from './benchFolder.ts';
import { describeMachine } from './machine.ts';
import { openPyTorch } from './pytorch.ts';
import { readTexts } from './readTexts.ts';
import { gib, printReport, type ReportRow } from './report.ts';
import { type HeadwaterConfiguration, type HeadwaterRun, runHeadwater } from './runHeadwater.ts';

const target = 1.5; // times PyTorch's tokens per second
const contextTokens = 512;
const { values: options } = parseArgs({
  options: {
    documents: { type: 'string', default: '200' },
    workers: { type: 'string', default: '2' },
    set: { type: 'string', multiple: true, default: [] },
    json: { type: 'string' },
  },
});
const documents = Number(options.documents);
const workers = Number(options.workers);

const paths = await benchPaths();
const windows = await readWindows();
const folder = await mkdtemp(join(tmpdir(), 'headwater-run-'));
try {
  const half = Math.ceil(documents / 2);
  const before = await timePyTorch(windows.slice(0, half));
  const sets = options.set.flatMap((set) => ['--set', set]);
  const cold = await runHeadwater(configuration(workers), folder, sets);
  const short = await runHeadwater(configuration(workers), folder, sets);
  const whole = await runHeadwater(configuration(documents), folder, sets);
  const after = await timePyTorch(windows.slice(half));
  await report({ before, cold, short, whole, after });
} finally {
  await rm(folder, { recursive: true });
}

async function readWindows(): Promise<number[][]> {
  const tokenizer = await loadTokenizer(paths.model);
  const ids = (await readTexts(paths.full, documents)).map((text) => tokenizer.encode(text).slice(0, contextTokens));
  const short = ids.find(({ length }) => length < contextTokens);
  if (short) throw new Error(`${paths.full}: expected ${contextTokens} tokens in every document, got ${short.length}`);
  return ids;
}

function configuration(limit: number): HeadwaterConfiguration {
  return {
    model: paths.model,
    corpus: { files: [paths.full], idColumn: 'id', sourceColumn: 'source', limit },
    queries: join(import.meta.dirname, 'queries.jsonl'),
    contextTokens,
    preconditioner: { kind: 'identity' },
    projection: { kind: 'random', k: 64 },
    explain: { documents: 0 },
    topK: 100,
    pool: { workers },
    // Nothing is padded here, so a slice may be one document: the workers then start and end together, as in a long run.
    slice: { documents: 1 },
    out: 'out',
    cache: 'cache',
  };
}

interface PyTorchTime {
  tokens: number;
  seconds: number;
  peakBytes: number;
  versions: string;
}

/** One document at a time, after one that is not counted. */
async function timePyTorch(documents: number[][]): Promise<PyTorchTime> {
  const pytorch = await openPyTorch(paths, workers);
  await pytorch.forwardBackward([documents[0]]);
  let seconds = 0;
  for (const ids of documents) seconds += (await pytorch.forwardBackward([ids])).seconds;
  const tokens = documents.length * contextTokens;
  return { tokens, seconds, versions: pytorch.versions, peakBytes: await pytorch.close() };
}

interface Measured {
  before: PyTorchTime;
  /** A run over one document a worker with nothing cached: it writes the model's graph and the query gradients. */
  cold: HeadwaterRun;
  /** The same run again: what starting and ending take. */
  short: HeadwaterRun;
  whole: HeadwaterRun;
  after: PyTorchTime;
}

async function report(measured: Measured): Promise<void> {
  const { before, cold, short, whole, after } = measured;
  const tokens = documents * contextTokens;
  // What the whole run did beyond the short one: start-up and ending drop out.
  const marginal = { tokens: tokens - workers * contextTokens, seconds: whole.seconds - short.seconds };
  const busy = (whole.cpuSeconds - short.cpuSeconds) / marginal.seconds / workers;
  const pytorch = (before.tokens + after.tokens) / (before.seconds + after.seconds);
  const ratio = marginal.tokens / marginal.seconds / pytorch;
  const name = `PyTorch forward + backward, ${workers} threads`;
  await printReport(
    {
      title: `Whole run: ${documents} documents of ${contextTokens} tokens, 16 queries, k = 64, ${workers} workers`,
      machine: describeMachine([before.versions]),
      rows: [
        row(`${name}, first half`, before.tokens, before.seconds, before.peakBytes),
        row('headwater run, marginal', marginal.tokens, marginal.seconds, whole.peakBytes),
        row('headwater run, start to end', tokens, whole.seconds, whole.peakBytes),
        row(`${name}, second half`, after.tokens, after.seconds, after.peakBytes),
      ],
      notes: [
        `${ratio.toFixed(2)} times PyTorch's tokens per second (target ${target}: ${ratio >= target ? 'met' : 'missed'}); start to end ${(tokens / whole.seconds / pytorch).toFixed(2)} times`,
        `both workers busy: ${(100 * busy).toFixed(0)} % of the time (CPU time / wall time / ${workers})`,
        `marginal: less a run over ${workers} documents, which took ${short.seconds.toFixed(1)} s; with nothing cached ${cold.seconds.toFixed(1)} s`,
        'memory: the most that was ever resident, mapped files included, all processes together',
      ],
      raw: measured,
    },
    options.json,
  );
}

function row(what: string, tokens: number, seconds: number, peakBytes: number): ReportRow {
  return {
    '': what,
    tokens,
    seconds: seconds.toFixed(1),
    'tokens/s': (tokens / seconds).toFixed(1),
    'peak memory': gib(peakBytes),
  };
}

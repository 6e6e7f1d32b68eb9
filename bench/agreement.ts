/**
 * Our scores against PyTorch's on SmolLM2-135M: `npx tsx bench/agreement.ts`. 16 documents × 4 queries through `headwater run` with
 * the exact projection and no preconditioner, against autograd's dot products of MLP weight gradients, all in float32, of documents
 * cut to `--tokens` (128). Ends with 1 where they differ by more than 1e-3.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { benchPaths, pythonScript } from './benchFolder.ts';
import { describeMachine } from './machine.ts';
import { gib, median, printReport } from './report.ts';
import { type HeadwaterConfiguration, runHeadwater } from './runHeadwater.ts';

const tolerance = 1e-3;
const { values: options } = parseArgs({
  options: {
    documents: { type: 'string', default: '16' },
    tokens: { type: 'string', default: '128' },
    json: { type: 'string' },
  },
});
const documents = Number(options.documents);
const tokens = Number(options.tokens);

const paths = await benchPaths();
const folder = await mkdtemp(join(tmpdir(), 'headwater-agreement-'));
try {
  const queries = await writeOneOfEachTask();
  const { scores: theirs, versions } = await autogradScores();
  const { seconds, peakBytes } = await runHeadwater(configuration(), folder, ['--quiet']);
  const ours = await keptScores(queries.map(({ id }) => id));
  const rows = queries.map(({ id }, q) =>
    compare(
      id,
      ours.map((row) => row[q]),
      theirs.map((row) => row[q]),
    ),
  );
  const worst = Math.max(...rows.map(({ ofLargest }) => ofLargest));
  const agree = worst <= tolerance;
  await printReport(
    {
      title: `Agreement with PyTorch: ${documents} documents of ${tokens} tokens × ${queries.length} queries`,
      machine: describeMachine([versions]),
      rows: rows.map(({ id, largest, ofLargest, pairs, pearson }) => ({
        query: id,
        'largest |score|': largest.toPrecision(4),
        'max |difference| / max |score|': ofLargest.toExponential(1),
        '|difference| / |score|, median': median(pairs).toExponential(1),
        'worst pair': Math.max(...pairs).toExponential(1),
        '1 − Pearson': (1 - pearson).toExponential(1),
      })),
      notes: [
        `${agree ? 'agree' : 'DIFFER'}: max |difference| / max |score| is ${worst.toExponential(1)} at worst, bound ${tolerance}`,
        `headwater run took ${seconds.toFixed(0)} s and ${gib(peakBytes)}, the query gradients included`,
      ],
      raw: { ours, theirs },
    },
    options.json,
  );
  process.exitCode = agree ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}

/** One query of each task, so that 4 × 318 MB of query gradients are enough. */
async function writeOneOfEachTask(): Promise<{ id: string; task: string }[]> {
  const text = await readFile(join(import.meta.dirname, 'queries.jsonl'), 'utf8');
  const all = text.trim().split('\n');
  const tasks = all.map((line) => JSON.parse(line).task as string);
  const lines = all.filter((_, i) => tasks.indexOf(tasks[i]) === i);
  await writeFile(join(folder, 'queries.jsonl'), `${lines.join('\n')}\n`);
  return lines.map((line) => JSON.parse(line));
}

function configuration(): HeadwaterConfiguration {
  return {
    model: paths.model,
    corpus: { files: [paths.full], idColumn: 'id', sourceColumn: 'source', limit: documents },
    queries: 'queries.jsonl',
    contextTokens: tokens,
    batchTokens: tokens,
    preconditioner: { kind: 'identity' },
    projection: { kind: 'exact' },
    keepScores: true,
    pool: { workers: 1 },
    out: 'out',
    cache: 'cache',
  };
}

async function autogradScores(): Promise<{ scores: number[][]; loss: number[]; versions: string }> {
  const files = [paths.model, paths.full, join(folder, 'queries.jsonl')];
  const args = [pythonScript('exact_scores.py'), ...files, String(documents), String(tokens)];
  const { stdout } = await promisify(execFile)(paths.python, args, { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout);
}

/** (documents, Q), both in reading order. */
async function keptScores(queries: string[]): Promise<number[][]> {
  const file = await asyncBufferFromFile(join(folder, 'out', 'scores.parquet'));
  const rows = await parquetReadObjects({ file, compressors });
  const scores = Array.from({ length: documents }, () => queries.map(() => Number.NaN));
  for (const { query_id, row, score } of rows)
    scores[Number(row)][queries.indexOf(query_id as string)] = score as number;
  return scores;
}

function compare(id: string, ours: number[], theirs: number[]) {
  const differences = ours.map((score, d) => Math.abs(score - theirs[d]));
  const largest = Math.max(...theirs.map(Math.abs));
  return {
    id,
    largest,
    ofLargest: Math.max(...differences) / largest,
    pairs: differences.map((difference, d) => difference / Math.abs(theirs[d])),
    pearson: correlation(ours, theirs),
  };
}

function correlation(x: number[], y: number[]): number {
  const centred = (values: number[]) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  };
  const dot = (u: number[], v: number[]) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  const [u, v] = [centred(x), centred(y)];
  return dot(u, v) / Math.sqrt(dot(u, u) * dot(v, v));
}

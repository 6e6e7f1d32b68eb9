/**
 * Our scores against PyTorch's on SmolLM2-135M: `npx tsx bench/agreement.ts`. 16 documents × 4 queries through `headwater run` with
 * the exact projection and no preconditioner, against autograd's dot products of MLP weight gradients, of documents cut to `--tokens`
 * (128). PyTorch computes them twice, in float32 as we do and in float64, which says whose rounding a difference is. Ends with 1 where
 * ours differ from either by more than 1e-3. `--documents N`, `--json FILE`.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { benchPaths, pythonScript } from './benchFolder.ts';
import { describeMachine } from './machine.ts';
import { gib, median, printReport } from './report.ts';
import { type HeadwaterConfiguration, keptScores, runHeadwater } from './runHeadwater.ts';
import { pearson } from './statistics.ts';

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
  const { scores: float64 } = await autogradScores('float64');
  const { scores: float32, versions } = await autogradScores('float32');
  const { seconds, peakBytes } = await runHeadwater(configuration(), folder, ['--quiet']);
  const ours = await keptScores(
    join(folder, 'out'),
    queries.map(({ id }) => id),
    documents,
  );
  const rows = queries.map(({ id }, q) => {
    const [mine, theirs, exact] = [ours, float32, float64].map((scores) => scores.map((row) => row[q]));
    return {
      id,
      largest: Math.max(...exact.map(Math.abs)),
      fromFloat32: relativeDifference(mine, theirs),
      fromFloat64: relativeDifference(mine, exact),
      theirsFromFloat64: relativeDifference(theirs, exact),
      pairs: mine.map((score, d) => Math.abs(score / exact[d] - 1)),
      pearson: pearson(mine, exact),
    };
  });
  const worst = Math.max(...rows.flatMap(({ fromFloat32, fromFloat64 }) => [fromFloat32, fromFloat64]));
  const agree = worst <= tolerance;
  await printReport(
    {
      title: `Agreement with PyTorch: ${documents} documents of ${tokens} tokens × ${queries.length} queries`,
      machine: describeMachine([versions]),
      rows: rows.map((row) => ({
        query: row.id,
        'largest score': row.largest.toPrecision(4),
        'ours from float32': row.fromFloat32.toExponential(1),
        'ours from float64': row.fromFloat64.toExponential(1),
        'float32 from float64': row.theirsFromFloat64.toExponential(1),
        'ours from float64, pair by pair: median': median(row.pairs).toExponential(1),
        'worst pair': Math.max(...row.pairs).toExponential(1),
        '1 − Pearson': (1 - row.pearson).toExponential(1),
      })),
      notes: [
        `${agree ? 'agree' : 'DIFFER'}: at worst ${worst.toExponential(1)}, bound ${tolerance}`,
        'float32 and float64 are PyTorch; differences are max |difference| / max |score| over the documents of a query; pair by pair |difference| / |score|',
        `headwater run took ${seconds.toFixed(0)} s and ${gib(peakBytes)}, the query gradients included`,
      ],
      raw: { ours, float32, float64 },
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
    explain: { documents: 0 },
    keepScores: true,
    pool: { workers: 1 },
    out: 'out',
    cache: 'cache',
  };
}

/** (documents, Q) */
async function autogradScores(dtype: string): Promise<{ scores: number[][]; versions: string }> {
  const files = [paths.model, paths.full, join(folder, 'queries.jsonl')];
  const args = [pythonScript('exact_scores.py'), ...files, String(documents), String(tokens), dtype];
  const { stdout } = await promisify(execFile)(paths.python, args, { maxBuffer: 2 ** 26 });
  return JSON.parse(stdout);
}

/** max |difference| / max |score| */
function relativeDifference(scores: number[], reference: number[]): number {
  const largest = (values: number[]) => Math.max(...values.map(Math.abs));
  return largest(scores.map((score, d) => score - reference[d])) / largest(reference);
}

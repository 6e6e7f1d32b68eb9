/**
 * Our EK-FAC scores against kronfluence 1.0.1's on SmolLM2-135M, and fitting beside it: `npx tsx bench/kronfluence.ts`. Agreement: the
 * MLPs of five layers (`--layers 0,7,15,22,29`), `--documents N` (48) real documents of `--tokens N` (128), which the curvature is fitted
 * on and which are scored, against the queries of bench/queries.jsonl: full rank, λ = 0.1 · mean(Λ), real labels and sampled ones. Fit:
 * all 90 MLP layers, `--fit N` (12) documents of 512 tokens, two threads and two workers, both in turn. `--only agreement|fit`,
 * `--json FILE`. Ends with 1 where a Pearson is under 0.999 (real labels) or 0.99 (sampled).
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { writeTable } from '../operators/report/writeTable.ts';
import { benchPaths, pythonScript } from './benchFolder.ts';
import { whereFitTimeGoes } from './fitTimes.ts';
import { describeMachine } from './machine.ts';
import { watchProcesses } from './processTree.ts';
import { readTexts } from './readTexts.ts';
import { gib, median, printReport, type ReportRow } from './report.ts';
import { keptScores, runHeadwater } from './runHeadwater.ts';
import { pearson } from './statistics.ts';

const { values: options } = parseArgs({
  options: {
    layers: { type: 'string', default: '0,7,15,22,29' },
    documents: { type: 'string', default: '48' },
    tokens: { type: 'string', default: '128' },
    fit: { type: 'string', default: '12' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
  },
});
const bounds = { empirical: 0.999, sampled: 0.99 };
const tasks = 4;
const program = join(import.meta.dirname, '..', 'pipeline', 'headwater.js');

const paths = await benchPaths();
const folder = await mkdtemp(join(tmpdir(), 'headwater-kronfluence-'));
try {
  if (options.only !== 'fit') await compareScores();
  if (options.only !== 'agreement') await compareFit();
} finally {
  await rm(folder, { recursive: true });
}

async function compareScores(): Promise<void> {
  const documents = Number(options.documents);
  const corpus = await firstDocuments(paths.full, documents);
  const queries = await oneOfEachTask();
  const rows: ReportRow[] = [];
  let worst = true;
  for (const labels of ['empirical', 'sampled'] as const) {
    const theirs = await kronfluence([
      ...[
        '--fit',
        corpus,
        `${documents}`,
        '--documents',
        corpus,
        `${documents}`,
        '--queries',
        join(folder, 'queries.jsonl'),
      ],
      ...['--layers', options.layers, '--tokens', options.tokens, '--labels', labels === 'empirical' ? 'real' : labels],
      ...['--threads', '2'],
    ]);
    await runHeadwater(configuration(corpus, documents, labels), folder, ['--quiet']);
    const ours = await keptScores(join(folder, 'out'), queries, documents);
    const agreement = queries.map((_, q) => pearson(column(ours, q), column(theirs.scores, q)));
    const sizes = queries.map((_, q) => {
      const [mine, other] = [column(ours, q), column(theirs.scores, q)];
      return Math.max(...mine.map((score, d) => Math.abs(score - other[d]))) / Math.max(...other.map(Math.abs));
    });
    worst &&= Math.min(...agreement) >= bounds[labels];
    rows.push({
      labels,
      'Pearson: lowest': Math.min(...agreement).toFixed(7),
      median: median(agreement).toFixed(7),
      bound: bounds[labels],
      'max |difference| / max |score|': Math.max(...sizes).toExponential(1),
    });
  }
  await printReport(
    {
      title: `EK-FAC scores against kronfluence 1.0.1: ${documents} documents of ${options.tokens} tokens × ${queries.length} queries`,
      machine: describeMachine(),
      rows,
      notes: [
        `${worst ? 'agree' : 'DIFFER'}: SmolLM2-135M, MLPs of layers ${options.layers}, exact projection, λ = 0.1 · mean(Λ), both in float32`,
        'with sampled labels each draws its own: what is left is the noise of the draw',
      ],
    },
    options.json && `${options.json}.agreement`,
  );
  process.exitCode = worst ? 0 : 1;
}

function column(scores: number[][], q: number): number[] {
  return scores.map((row) => row[q]);
}

async function firstDocuments(file: string, count: number): Promise<string> {
  const texts = await readTexts(file, count);
  const path = join(folder, `corpus-${count}.parquet`);
  await writeTable(
    path,
    { text: 'string' },
    texts.map((text) => ({ text })),
  );
  return path;
}

async function oneOfEachTask(): Promise<string[]> {
  const text = await readFile(join(import.meta.dirname, 'queries.jsonl'), 'utf8');
  const all = text
    .trim()
    .split('\n')
    .map((line) => ({ line, ...JSON.parse(line) }));
  const first = all.filter(({ task }, i) => all.findIndex((other) => other.task === task) === i).slice(0, tasks);
  await writeFile(join(folder, 'queries.jsonl'), `${first.map(({ line }) => line).join('\n')}\n`);
  return first.map(({ id }) => id as string);
}

function configuration(corpus: string, limit: number, labels: string) {
  return {
    model: paths.model,
    corpus: { files: [corpus], limit },
    queries: 'queries.jsonl',
    modules: options.layers.split(',').map((layer) => `model.layers.${layer}.mlp.*`),
    contextTokens: Number(options.tokens),
    projection: { kind: 'exact' },
    fit: { documents: limit, labels },
    explain: { documents: 0 },
    keepScores: true,
    out: 'out',
    cache: 'cache',
  };
}

interface Kronfluence {
  scores: number[][];
  stages: Record<string, { seconds: number; peakBytes: number; batch?: number }>;
  versions: string;
}

async function kronfluence(args: string[]): Promise<Kronfluence> {
  const script = pythonScript('kronfluence_scores.py');
  const { stdout } = await promisify(execFile)(paths.python, [script, paths.model, ...args], { maxBuffer: 2 ** 28 });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Kronfluence;
}

/** The same documents, cores and layers, one after the other: a b a, so that a slow spell of the machine shows. */
async function compareFit(): Promise<void> {
  const documents = Number(options.fit);
  const corpus = await firstDocuments(paths.full, documents);
  const first = await fitHeadwater(corpus, documents, 'first');
  const theirs = await kronfluence([
    ...[
      '--fit',
      corpus,
      `${documents}`,
      '--tokens',
      '512',
      '--labels',
      'sampled',
      '--threads',
      '2',
      '--batch',
      '1,2,4',
    ],
  ]);
  const second = await fitHeadwater(corpus, documents, 'second');
  const stages = { covariances: 'covariance', eigenvectors: 'eigendecomposition', 'squared gradients': 'lambda' };
  const rows = Object.entries(stages).map(([mine, other]): ReportRow => {
    const [a, b, seconds] = [first.seconds[mine], second.seconds[mine], theirs.stages[other].seconds];
    return fitRow(mine, a, b, seconds, theirs.stages[other].peakBytes, theirs.stages[other].batch ?? 1);
  });
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const own = (seconds: Record<string, number>) => sum(Object.keys(stages).map((stage) => seconds[stage]));
  const all = Object.values(stages).map((stage) => theirs.stages[stage]);
  const peak = Math.max(...all.map(({ peakBytes }) => peakBytes));
  rows.push(fitRow('all', own(first.seconds), own(second.seconds), sum(all.map(({ seconds }) => seconds)), peak, 0));
  await printReport(
    {
      title: `Fitting EK-FAC to ${documents} documents of 512 tokens: all 90 MLP layers of SmolLM2-135M`,
      machine: describeMachine([theirs.versions]),
      rows,
      notes: [
        'Headwater ran before and after kronfluence: both times stand there; the ratio is kronfluence over the mean of them',
        `peak memory of Headwater, all stages: ${gib(first.peakBytes)} and ${gib(second.peakBytes)} with fit.memoryMiB 4096`,
        'sampled labels; two workers of one thread, two threads for PyTorch; kronfluence with the fastest of 1, 2 and 4 documents a batch, its trials not counted',
      ],
    },
    options.json && `${options.json}.fit`,
  );
  await printReport({
    title: 'Where the time of a fit goes',
    machine: describeMachine(),
    rows: await whereFitTimeGoes(paths, 4),
    notes: ['windows of 512 tokens in turns, one thread, all 90 MLP layers of SmolLM2-135M; medians'],
  });
}

function fitRow(stage: string, first: number, second: number, seconds: number, peak: number, batch: number): ReportRow {
  return {
    stage,
    'Headwater, s': `${first.toFixed(1)}, ${second.toFixed(1)}`,
    'kronfluence, s': seconds.toFixed(1),
    ratio: (seconds / ((first + second) / 2)).toFixed(2),
    'kronfluence, peak': gib(peak),
    'its batch': batch > 0 ? batch : '',
  };
}

async function fitHeadwater(corpus: string, documents: number, cache: string) {
  await writeFile(join(folder, 'queries.jsonl'), '{"id": "unused", "prompt": "a", "completion": " b"}\n');
  const file = join(folder, 'fit.yaml');
  const fit = { ...configuration(corpus, documents, 'sampled'), modules: ['*.mlp.*'], contextTokens: 512, cache };
  await writeFile(file, JSON.stringify(fit));
  const child = spawn(process.execPath, [program, 'fit', file, '--quiet'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const watch = watchProcesses(child.pid as number);
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  const use = watch.stop();
  const line = /^time: (.*)$/m.exec(text)?.[1];
  if (!line) throw new Error(`headwater fit ended without its times: ${text}`);
  const seconds = Object.fromEntries(
    line.split(', ').map((part) => {
      const [, name, value] = /^(.*) ([\d.]+) s$/.exec(part)!;
      return [name, Number(value)];
    }),
  );
  await rm(join(folder, cache), { recursive: true });
  return { seconds, ...use };
}

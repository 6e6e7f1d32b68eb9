/**
 * How well each projection's scores agree with the exact ones on SmolLM2-135M, and what it costs: `npx tsx bench/fidelity.ts`. Scores
 * come from `headwater run` on five layers' MLPs (`--layers 0,7,15,22,29`), for which the exact projection still fits; times from the
 * gradient operator on all 90 MLP layers beside forward and backward alone, one thread, in turns. `--documents N` (160), `--fit N` (160),
 * `--tokens N` (128), `--queries FILE` (bench/fidelityQueries.jsonl: six of each of eight kinds, from templates as the paper's; bench/diverseQueries.jsonl
 * are as many without templates), `--labels sampled|empirical`, `--only TEXT,TEXT` for the rows that begin with one of
 * them, `--folder DIR` to keep what is fitted there and use it again, `--timed N` (6) documents of 512 tokens, `--blocks 2,4` for the exact scores of block-diagonal curvature beside the plain one's
 * ('' for none), `--json FILE`.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { benchPaths } from './benchFolder.ts';
import { describeMachine } from './machine.ts';
import { openTimedProjections, type TimedProjections } from './projectionTimes.ts';
import { median, printReport } from './report.ts';
import { type HeadwaterConfiguration, keptScores, runHeadwater } from './runHeadwater.ts';
import { overlapOfTop, pearson, spearman } from './statistics.ts';

const { values: options } = parseArgs({
  options: {
    layers: { type: 'string', default: '0,7,15,22,29' },
    documents: { type: 'string', default: '160' },
    fit: { type: 'string', default: '160' },
    tokens: { type: 'string', default: '128' },
    timed: { type: 'string', default: '6' },
    queries: { type: 'string', default: join(import.meta.dirname, 'fidelityQueries.jsonl') },
    labels: { type: 'string', default: 'sampled' },
    only: { type: 'string', default: '' },
    folder: { type: 'string' },
    blocks: { type: 'string', default: '2,4' },
    json: { type: 'string' },
  },
});
const documents = Number(options.documents);
const tokens = Number(options.tokens);
const queriesFile = resolve(options.queries);

const square = (k: number, weighting: string) => ({ kind: 'queryAdaptive', k, widths: 'even', weighting });
/** Five layers get their share of the memory that all thirty would have. */
const share = options.layers.split(',').length / 30;
const shared = (gib: number, more: Record<string, unknown> = {}) => ({
  kind: 'queryAdaptive',
  cacheMiB: Math.round(gib * 1024 * share),
  ...more,
});
const projections: Record<string, Record<string, unknown>> = {
  'random 64': { kind: 'random', k: 64 },
  'random 128': { kind: 'random', k: 128 },
  'eigen 64': { kind: 'eigen', k: 64 },
  'eigen 128': { kind: 'eigen', k: 128 },
  'even 128, not weighted': square(128, 'none'),
  'even 64': square(64, 'curvature'),
  'even 128': square(128, 'curvature'),
  'even 256': square(256, 'curvature'),
  'shared 128': shared(4, { k: 128 }),
  'shared in 1 GiB of query gradients': shared(1),
  'shared in 2 GiB': shared(2),
  'shared in 8 GiB': shared(8),
  'shared in 4 GiB, one alternating round': shared(4, { rounds: 1 }),
  'default: shared in 4 GiB': shared(4),
};

const paths = await benchPaths();
const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'headwater-fidelity-')));
await mkdir(folder, { recursive: true });
try {
  const queries = (await readFile(queriesFile, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).id as string);
  const exact = await scoresOf({ kind: 'exact' }, queries);
  const timed = await openTimedProjections(paths, Number(options.timed), queries.length);
  const rows = [];
  for (const [name, projection] of Object.entries(projections).filter(([name]) => isAsked(name))) {
    const { scores, layers } = await scoresOf(projection, queries);
    rows.push(rowOf(name, agreementOf(queries, scores, exact.scores), await timed.measure(layers)));
    console.error(rows[rows.length - 1]);
  }
  await printReport(
    {
      title: `Fidelity of projections: EK-FAC scores of ${documents} documents of ${tokens} tokens × ${queries.length} queries, SmolLM2-135M`,
      machine: describeMachine(),
      rows,
      notes: [
        `Pearson, Spearman and overlap of the ten highest against exact, for each query over the documents; MLPs of layers ${options.layers}; ` +
          `curvature from ${options.fit} documents of the same corpus, ${options.labels} labels; queries of ${basename(queriesFile)}`,
        'even: the same k on each side of every layer; shared: the same cost shared out over layers and sides; all weighted by curvature unless said',
        `time: all 90 MLP layers, each with the widths of the nearest measured layer, ${options.timed} windows of 512 tokens in turns with ` +
          `forward and backward alone (${timed.baseTokensPerSecond().toFixed(0)} tokens/s), one thread; the join of a window with ${queries.length} queries beside it`,
      ],
    },
    options.json,
  );
  if (options.blocks) await compareBlocks(queries, exact.scores);
} finally {
  if (!options.folder) await rm(folder, { recursive: true });
}

/** A and S cut to b diagonal blocks each, as the paper did with its widest layers. */
async function compareBlocks(queries: string[], plain: number[][]): Promise<void> {
  const rows = [];
  for (const blocks of options.blocks.split(',').map(Number)) {
    const { scores } = await scoresOf({ kind: 'exact' }, queries, blocks);
    rows.push({ blocks, ...agreementColumns(agreementOf(queries, scores, plain)) });
  }
  await printReport({
    title: 'Block-diagonal curvature: exact scores against those of whole covariances',
    machine: describeMachine(),
    rows,
    notes: ['the same documents, queries and layers as above'],
  });
}

function agreementOf(queries: string[], scores: number[][], reference: number[][]): Agreement[] {
  return queries.map((_, q) => {
    const [mine, theirs] = [scores, reference].map((table) => table.map((row) => row[q]));
    return { r: pearson(mine, theirs), rank: spearman(mine, theirs), top: overlapOfTop(10, mine, theirs) };
  });
}

function isAsked(name: string): boolean {
  return options.only.split(',').some((start) => name.startsWith(start));
}

interface Agreement {
  r: number;
  rank: number;
  top: number;
}

function rowOf(projection: string, byQuery: Agreement[], cost: Awaited<ReturnType<TimedProjections['measure']>>) {
  return {
    projection,
    ...agreementColumns(byQuery),
    'MFLOP/token': (cost.flop / 1e6).toFixed(1),
    'MB/query': (cost.bytes / 1e6).toFixed(1),
    'time added': `${(100 * cost.added).toFixed(1)} %`,
    'by the join': `${(100 * cost.join).toFixed(1)} %`,
    'tokens/s': cost.tokensPerSecond.toFixed(0),
  };
}

function agreementColumns(byQuery: Agreement[]) {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    'median Pearson': median(byQuery.map(({ r }) => r)).toFixed(4),
    minimum: Math.min(...byQuery.map(({ r }) => r)).toFixed(4),
    Spearman: median(byQuery.map(({ rank }) => rank)).toFixed(4),
    'top 10': mean(byQuery.map(({ top }) => top)).toFixed(3),
  };
}

/** What a run with that projection scores, and the widths it chose. */
async function scoresOf(projection: Record<string, unknown>, queries: string[], blocks = 1) {
  const configuration: HeadwaterConfiguration = {
    model: paths.model,
    corpus: { files: [paths.mixed], idColumn: 'id', sourceColumn: 'source', limit: documents },
    queries: queriesFile,
    modules: options.layers.split(',').map((layer) => `model.layers.${layer}.mlp.*`),
    contextTokens: tokens,
    preconditioner: { kind: 'ekfac' },
    fit: { documents: Number(options.fit), labels: options.labels, blocks },
    projection,
    explain: { documents: 0 },
    topK: 10,
    keepScores: true,
    out: 'out',
    cache: 'cache',
  };
  await runHeadwater(configuration, folder);
  const { projection: chosen, coverage } = JSON.parse(await readFile(join(folder, 'out', 'run.json'), 'utf8'));
  const layers = coverage.modules.map(({ name }: { name: string }, m: number) => ({ name, ...chosen.layers[m] }));
  return { scores: await keptScores(join(folder, 'out'), queries, documents), layers };
}

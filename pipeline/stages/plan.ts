/** The plan stage: what a run will cost, measured on a sample of the corpus with the very operators that the run uses. */
import { availableParallelism } from 'node:os';
import type { Corpus } from '../../operators/documents/corpus.ts';
import { openCorpus } from '../../operators/documents/openCorpus.ts';
import { readDocuments } from '../../operators/documents/readDocuments.ts';
import { splitWords } from '../../operators/documents/splitWords.ts';
import type { GradientModel } from '../../operators/gradients/gradientModel.ts';
import { drawProjection, type ModuleProjection } from '../../operators/gradients/projections.ts';
import {
  openQueryCache,
  type QueryCache,
  queryCachePath,
  readProjections,
} from '../../operators/queries/queryCache.ts';
import { packWindows } from '../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../operators/tokens/selectWindows.ts';
import windowDocuments from '../../operators/tokens/windowDocuments.ts';
import type { DocumentBatch, TokenWindowBatch } from '../../schemas/batches.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { InputError } from '../../schemas/errors.ts';
import { builtIn } from '../operators/loadOperator.ts';
import { bytesText } from '../terminal/bytesText.ts';
import { duration } from '../terminal/progress.ts';
import { captureLines } from './captureLines.ts';
import { coverageLines } from './coverage.ts';
import { wantedFolder } from './fit.ts';
import { fitLines } from './fitCost.ts';
import { gradientModel, type Prepared, prepare, queryFingerprint } from './prepare.ts';
import type { StageHooks } from './stageHooks.ts';
import { withPool } from './withPool.ts';

/** Documents looked at to estimate tokens, in so many places spread over the corpus. */
const samplePlaces = 8;
const sampleDocuments = 200;

export async function planStage(configuration: Configuration, hooks: StageHooks): Promise<{ summary: string }> {
  const prepared = await prepare(configuration, hooks);
  const corpus = await openCorpus(configuration.corpus, configuration.folder);
  hooks.progress.stage('sampling the corpus');
  const sample = await sampleCorpus(prepared, corpus);
  hooks.progress.stage('measuring gradients');
  const cache = await plannedQueries(prepared, corpus);
  const model = await gradientModel(prepared, cache ? await readProjections(cache) : standIns(prepared));
  const measured = await measureGradients(prepared, model, sample.parts, hooks);
  hooks.progress.done();
  return {
    summary: [
      ...coverageLines(prepared.coverage),
      ...(await fitLines(prepared, corpus, sample.tokens / sample.documents)),
      ...costLines(prepared, corpus, model, cache, sample, measured),
      ...(cache ? captureLines(prepared, cache) : unknownCapture(configuration)),
    ].join('\n'),
  };
}

/** The query cache of this configuration, where it is there. */
async function plannedQueries(prepared: Prepared, corpus: Corpus): Promise<QueryCache | null> {
  if (prepared.queries.some(({ completion }) => completion === '')) return null;
  const wanted = await queryFingerprint(prepared, await wantedFolder(prepared, corpus));
  return openQueryCache(queryCachePath(prepared.configuration.cache, wanted), wanted).catch(() => null);
}

/** Matrices of the shapes that the run will have at most: what a projection costs does not depend on its numbers. */
function standIns({ configuration, coverage }: Prepared): ModuleProjection[] {
  const { projection, seed } = configuration;
  if (projection.kind === 'exact') return coverage.modules.map((module) => drawProjection(projection, seed, module));
  const drawn = { kind: 'random', k: projection.k, distribution: 'rademacher' } as const;
  return coverage.modules.map((module) => drawProjection(drawn, seed, module));
}

function unknownCapture({ projection }: Configuration): string[] {
  if (projection.kind !== 'queryAdaptive') return [];
  return ["projection: headwater queries will say how much of the scores' variance it keeps"];
}

interface Sample {
  /** What gradient calls would be given. */
  parts: TokenWindowBatch[];
  /** Documents scored and set aside, tokens that carry loss, and padded tokens computed, in the sample. */
  documents: number;
  setAside: number;
  tokens: number;
  padded: number;
  /** What splitting the texts into words took on one thread, which BM25 does in a pass of its own and once more beside the gradients. */
  wordSeconds: number;
}

async function sampleCorpus({ configuration, facts, folder }: Prepared, corpus: Corpus): Promise<Sample> {
  const { contextTokens, longDocuments, batchTokens, bm25 } = configuration;
  const open = await windowDocuments.open({ tokenizerFolder: folder.path, contextTokens, longDocuments }, facts);
  const sample: Sample = { parts: [], documents: 0, setAside: 0, tokens: 0, padded: 0, wordSeconds: 0 };
  for (const documents of await readPlaces(configuration, corpus)) {
    const began = performance.now();
    if (bm25) for (const text of documents.text) splitWords(text);
    sample.wordSeconds += (performance.now() - began) / 1000;
    const slice = await open(documents);
    const { start, lossFrom } = slice.windows;
    lossFrom.forEach((from, w) => {
      sample.tokens += start[w + 1] - start[w] - from;
    });
    const { batches, padded } = packWindows(slice.windows, batchTokens);
    sample.padded += padded;
    sample.documents += slice.key.length;
    sample.setAside += slice.setAside.length;
    sample.parts.push(...batches.map((chosen) => selectWindows(slice, chosen)));
  }
  if (sample.documents === 0)
    throw new InputError('plan expected documents to score, and all those it sampled are set aside');
  return sample;
}

/** Slices of consecutive documents, evenly spread over what the run would read. */
async function readPlaces(
  { corpus: settings, contextTokens, slice }: Configuration,
  corpus: Corpus,
): Promise<DocumentBatch[]> {
  const first = Math.min(settings.skip, corpus.rows);
  const rows = Math.min(settings.limit ?? corpus.rows, corpus.rows - first);
  const places = Math.min(samplePlaces, Math.max(1, Math.floor(rows / (sampleDocuments / samplePlaces))));
  const each = { ...slice, documents: Math.ceil(sampleDocuments / places) };
  const slices: DocumentBatch[] = [];
  for (let place = 0; place < places; place++) {
    const key = first + Math.floor((place * rows) / places);
    for await (const documents of readDocuments(corpus, settings, each, contextTokens, { batch: place, key })) {
      slices.push(documents);
      break;
    }
  }
  return slices;
}

interface Measured {
  /** Tokens that carry loss, per second, all workers together. */
  tokensPerSecond: number;
  /** Peak resident memory of the process with every worker's session open, bytes. */
  peakBytes: number;
}

/** The sample's parts through the pool until ten seconds or the sample are over; the first part of each worker warms it. */
async function measureGradients(
  prepared: Prepared,
  model: GradientModel,
  parts: TokenWindowBatch[],
  hooks: StageHooks,
): Promise<Measured> {
  const { threadsPerWorker, prepack } = prepared.pool;
  const spec = { module: builtIn('gradients/projectGradients'), settings: { model, threadsPerWorker, prepack } };
  return withPool(prepared, hooks, async (pool) => {
    const everyWorker = <T>(work: () => Promise<T>) => Promise.all(Array.from({ length: pool.workers }, work));
    await everyWorker(() => pool.run('project', [spec], parts[0]));
    const start = performance.now();
    let tokens = 0;
    let next = 0;
    await everyWorker(async () => {
      while (next < parts.length && performance.now() - start < 10_000) {
        const part = parts[next++];
        await pool.run('project', [spec], part);
        tokens += part.windows.ids.length - part.windows.document.length;
      }
    });
    const tokensPerSecond = (1000 * tokens) / (performance.now() - start);
    return { tokensPerSecond, peakBytes: 1024 * process.resourceUsage().maxRSS };
  });
}

function costLines(
  prepared: Prepared,
  corpus: Corpus,
  model: GradientModel,
  cache: QueryCache | null,
  sample: Sample,
  measured: Measured,
): string[] {
  const { configuration, queries, pool } = prepared;
  const { skip, limit = corpus.rows } = configuration.corpus;
  const rows = Math.max(0, Math.min(limit, corpus.rows - skip));
  const seen = sample.documents + sample.setAside;
  const tokens = (rows * sample.tokens) / seen;
  const gradients = gradientBytes(prepared, model, cache);
  const heapBytes = 4 * 8 * configuration.topK * queries.length;
  const words = (rows * sample.wordSeconds) / seen / pool.workers;
  const workers = `${pool.workers} worker${pool.workers === 1 ? '' : 's'} × ${pool.threadsPerWorker} thread${pool.threadsPerWorker === 1 ? '' : 's'}`;
  return [
    `corpus: ${count(rows)} documents in ${count(corpus.files.length)} files, about ${count(tokens)} tokens ` +
      `(${Math.round(sample.tokens / sample.documents)} a document in a sample of ${seen}; ${percent(1 - sample.tokens / sample.padded)} of what is computed is padding or first tokens)`,
    `queries: ${count(queries.length)}, a cache of ${gradients}, mapped once and shared by the workers`,
    `time: about ${duration(tokens / measured.tokensPerSecond)} at ${count(measured.tokensPerSecond)} tokens/s, measured on the sample with ${workers} on ${availableParallelism()} cores`,
    ...(configuration.bm25
      ? [
          `words: about ${duration(words)} and one reading of the corpus before it, for BM25 (bm25: false leaves it out)`,
        ]
      : []),
    `memory: ${bytesText(measured.peakBytes)} with every worker's session open (measured), ${gradients} of query gradients, ${bytesText(heapBytes)} of heaps`,
  ];
}

/** Widths that are still to be shared out are known by their bound alone. */
function gradientBytes({ configuration, queries, coverage }: Prepared, model: GradientModel, cache: QueryCache | null) {
  const { projection } = configuration;
  const known = 4 * queries.length * (cache?.widths ?? model.widths).reduce((sum, width) => sum + width, 0);
  if (cache || projection.kind !== 'queryAdaptive' || projection.widths === 'even') return bytesText(known);
  const whole = 4 * queries.length * coverage.trackedParameters;
  return `at most ${bytesText(Math.min(whole, projection.cacheMiB * 2 ** 20))}`;
}

const count = (n: number): string => Math.round(n).toLocaleString('en');
const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** The run stage: the one pass over the corpus, from the opened inputs to the run folder. */
import { lastValueFrom, tap } from 'rxjs';
import type { DocumentCounts } from '../../operators/accumulators/documentCounts.ts';
import type { FactorFolder } from '../../operators/curvature/factorFolder.ts';
import type { Corpus } from '../../operators/documents/corpus.ts';
import { openCorpus } from '../../operators/documents/openCorpus.ts';
import { readDocuments } from '../../operators/documents/readDocuments.ts';
import type { QueryCache } from '../../operators/queries/queryCache.ts';
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { IntegrityError } from '../../schemas/errors.ts';
import { influenceGraph } from '../influenceGraph.ts';
import { type ChainStep, openFolds, openGraphMaps } from '../operators/customOperators.ts';
import type { OpenFold } from '../operators/folds.ts';
import { StoppedError, type WorkerPool } from '../pool/workerPool.ts';
import { cachedQueries } from './computeQueries.ts';
import { cachedFactors } from './fit.ts';
import { completed, fullChain, gradientStep, type Join, openJoin, type Prepared, prepare } from './prepare.ts';
import { explainRankings } from './run/explain.ts';
import { type Finished, openRunFolder, type RunFolder } from './run/runFolder.ts';
import { Clock, openRunFolds, type Streamed } from './run/streamed.ts';
import { wordPass } from './run/wordPass.ts';
import type { StageHooks } from './stageHooks.ts';
import { withPool } from './withPool.ts';

/** Runs the whole flow and writes the run folder; a stopped run writes what it has and says so in run.json. */
export async function runStage(
  configuration: Configuration,
  hooks: StageHooks,
): Promise<{ exitCode: number; summary: string }> {
  const clock = new Clock();
  const prepared = await completed(await prepare(configuration, hooks), hooks);
  const corpus = await openCorpus(configuration.corpus, configuration.folder);
  const folder = await openRunFolder(prepared, corpus);
  try {
    clock.lap('prepare');
    const factors = scoresOnItsOwn(prepared) ? null : await cachedFactors(prepared, corpus, hooks);
    clock.lap('fit');
    const { queries, gradients, join } = await openQueries(prepared, factors, hooks);
    clock.lap('queries');
    const words = await wordPass(prepared, corpus, hooks);
    clock.lap('words');
    const chain = fullChain(prepared, words, gradients, join ? [join] : []);
    const streamed = await withPool(prepared, hooks, (pool) =>
      streamCorpus(prepared, corpus, chain, pool, folder, hooks),
    );
    clock.lap('stream');
    const explain: Finished['explain'] = async (top, documents, files) =>
      streamed.complete ? explainRankings(prepared, queries, join, top, documents, files, hooks) : [];
    return await folder.write({ ...streamed, queries, words, clock, explain });
  } finally {
    await folder.close();
  }
}

/** Whether an operator of the user's yields scores without query gradients. */
function scoresOnItsOwn({ custom }: Prepared): boolean {
  return custom.maps.some(
    ({ operator: { takes, gives } }) => gives === 'scores' && (takes === 'documents' || takes === 'tokenWindows'),
  );
}

/** The cached query gradients and the pool's steps on them; none where the user's own operator scores without them. */
async function openQueries(
  prepared: Prepared,
  factors: FactorFolder | null,
  hooks: StageHooks,
): Promise<{ queries: QueryCache | null; gradients: ChainStep[]; join: Join | null }> {
  if (scoresOnItsOwn(prepared)) return { queries: null, gradients: [], join: null };
  const { cache, reused } = await cachedQueries(prepared, factors, hooks);
  hooks.log(`query gradients: ${reused ? 'reused from' : 'written to'} ${cache.path}`);
  const gradients = await gradientStep(prepared, cache);
  return { queries: cache, gradients: [gradients], join: await openJoin(prepared, cache) };
}

async function streamCorpus(
  prepared: Prepared,
  corpus: Corpus,
  chain: ChainStep[],
  pool: WorkerPool,
  folder: RunFolder,
  hooks: StageHooks,
): Promise<Streamed> {
  const { configuration, custom, facts } = prepared;
  const { skip, limit = corpus.rows } = configuration.corpus;
  const folds = openRunFolds(prepared);
  const own = openFolds(custom, facts);
  const tally = { read: 0, lost: 0, replaced: 0 };
  const flow = influenceGraph({
    documents: tallied(
      readDocuments(corpus, configuration.corpus, configuration.slice, configuration.contextTokens),
      tally,
    ),
    documentMaps: await openGraphMaps(custom, 'documents', facts),
    pool: (slice) =>
      pool.run<ScoreBatch>(
        'fused',
        chain.map(({ spec }) => spec),
        slice,
      ),
    scoreMaps: await openGraphMaps(custom, 'scores', facts),
    observers: custom.observers,
    folds: [...Object.values(folds), ...own],
    sink: (batch) => folder.take(batch),
    credits: prepared.pool.credits,
    signal: hooks.signal,
  });
  hooks.progress.stage('documents', Math.max(0, Math.min(limit, corpus.rows - skip)));
  const complete = await follow(flow, pool, hooks);
  hooks.progress.done();
  if (complete) expectAllCounted(tally, folds.counts);
  return { folds, custom: own, ...tally, complete };
}

type Tally = { read: number; lost: number; replaced: number };
type Slices = ReturnType<typeof readDocuments>;

async function* tallied(slices: Slices, tally: Tally): Slices {
  for await (const slice of slices) {
    for (const { rowStart, rowEnd } of slice.lost) tally.lost += rowEnd - rowStart;
    tally.read += slice.key.length + slice.setAside.length;
    tally.replaced += slice.replaced;
    yield slice;
  }
}

/** Drains the flow with its progress shown; false where the run was asked to stop before its end. */
async function follow(
  flow: ReturnType<typeof influenceGraph>,
  pool: WorkerPool,
  { progress, signal }: StageHooks,
): Promise<boolean> {
  let shown = 0;
  // A slice of a large model takes a minute: tokens are shown as its parts are done.
  const showTokens = () => {
    progress.advance({ items: 0, tokens: pool.tokens - shown });
    shown = pool.tokens;
  };
  const timer = setInterval(showTokens, 500);
  const counted = flow.pipe(
    tap((batch) => progress.advance({ items: batch.key.length + batch.setAside.length, tokens: 0 })),
  );
  try {
    await lastValueFrom(counted, { defaultValue: null });
    showTokens();
    return !signal.aborted;
  } catch (error) {
    if (error instanceof StoppedError) return false;
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** read = scored + set aside: an operator that drops a document without a word would bias every statistic. */
function expectAllCounted({ read }: Tally, counts: OpenFold): void {
  const { read: counted } = counts.result() as DocumentCounts;
  if (counted === read) return;
  throw new IntegrityError(
    `the run read ${read} documents and counted ${counted} as scored or set aside: an operator of the configuration drops or adds ` +
      'documents; put those it drops into setAside',
  );
}

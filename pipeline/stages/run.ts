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
import { canonicalJson } from '../../schemas/fingerprint.ts';
import { type BegunRun, beginRun, endRun } from '../checkpoints/beginRun.ts';
import { journalPath } from '../checkpoints/checkpointFiles.ts';
import { readJournal } from '../checkpoints/journal.ts';
import { type RunIdentity, runIdentity } from '../checkpoints/runIdentity.ts';
import { CarefulCredits } from '../credits.ts';
import { type Flow, influenceGraph } from '../influenceGraph.ts';
import { type ChainStep, openGraphMaps } from '../operators/customOperators.ts';
import { StoppedError, type WorkerPool } from '../pool/workerPool.ts';
import { unsupervised } from '../supervisor/supervision.ts';
import { cachedQueries } from './computeQueries.ts';
import { cachedFactors } from './fit.ts';
import { completed, fullChain, gradientStep, type Join, openJoin, type Prepared, prepare } from './prepare.ts';
import { carefully, careUntil } from './run/carefully.ts';
import { explainRankings } from './run/explain.ts';
import { Pass } from './run/pass.ts';
import { type Finished, RunFolder } from './run/runFolder.ts';
import { Clock, type Streamed } from './run/streamed.ts';
import { wordPass } from './run/wordPass.ts';
import type { StageHooks } from './stageHooks.ts';
import { withPool } from './withPool.ts';

/**
 * Runs the whole flow and writes the run folder; goes on from the folder's checkpoint where it holds one of this very run. A run that is
 * asked to stop leaves a checkpoint and rejects with the signal's reason.
 */
export async function runStage(
  configuration: Configuration,
  hooks: StageHooks,
): Promise<{ exitCode: number; summary: string }> {
  const clock = new Clock();
  const prepared = await completed(await prepare(configuration, hooks), hooks);
  const corpus = await openCorpus(configuration.corpus, configuration.folder);
  const identity = await runIdentity(prepared, corpus);
  const begun = await beginRun(configuration.out, identity, { resume: hooks.resume ?? true, log: hooks.log });
  if (!begun) return { exitCode: 0, summary: doneAlready(configuration) };
  clock.lap('prepare');
  const factors = scoresOnItsOwn(prepared) ? null : await cachedFactors(prepared, corpus, hooks);
  clock.lap('fit');
  const { queries, gradients, join } = await openQueries(prepared, factors, hooks);
  clock.lap('queries');
  const words = await wordPass(prepared, corpus, hooks);
  clock.lap('words');
  const pass = await openPass(prepared, corpus, identity, begun, hooks);
  try {
    await streamCorpus(prepared, corpus, fullChain(prepared, words, gradients, join ? [join] : []), pass, hooks);
    clock.seconds.stream = pass.counts.seconds;
    clock.lap();
    const explain: Finished['explain'] = (top, documents, files) =>
      explainRankings(prepared, queries, join, top, documents, files, hooks);
    const folder = new RunFolder(prepared, corpus, identity, begun.earlier);
    const written = await folder.write({ ...streamedOf(pass), queries, words, clock, explain });
    await endRun(configuration.out);
    return written;
  } finally {
    await pass.close();
  }
}

function doneAlready({ out }: Configuration): string {
  return `this run is done already: results in ${out}
run it again with --no-resume, which replaces them
`;
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

function openPass(
  prepared: Prepared,
  corpus: Corpus,
  identity: RunIdentity,
  { checkpoints, from }: BegunRun,
  { supervision = unsupervised, log }: StageHooks,
): Promise<Pass> {
  const { keepScores, checkpoint, corpus: settings } = prepared.configuration;
  const { checkpointed } = supervision;
  const of = {
    identity: canonicalJson(identity),
    corpus,
    folder: checkpoints,
    keepScores,
    ...checkpoint,
    checkpointed,
  };
  if (from) log(`going on from the checkpoint behind row ${from.key.toLocaleString('en')} of the corpus`);
  return Pass.open(prepared, of, from, { batch: 0, key: settings.skip });
}

/** Takes the pass to the end of the corpus. Throws the signal's reason where the user stops it: it is in a checkpoint then. */
async function streamCorpus(
  prepared: Prepared,
  corpus: Corpus,
  chain: ChainStep[],
  pass: Pass,
  hooks: StageHooks,
): Promise<void> {
  const { configuration } = prepared;
  const { skip, limit = corpus.rows } = configuration.corpus;
  const rows = Math.max(0, Math.min(limit, corpus.rows - skip));
  hooks.progress.stage('documents', rows, undefined, Math.min(rows, pass.next.key - skip));
  if (pass.next.key < skip + rows)
    await withPool(prepared, hooks, async (pool) => {
      // What stands is safe at once; what the tasks at hand still give is added below.
      const stop = () => void pass.checkpoint().catch(() => {});
      hooks.signal.addEventListener('abort', stop);
      const flow = influenceGraph(await flowOf(prepared, corpus, chain, pool, pass, hooks));
      await follow(flow, pool, hooks).finally(() => hooks.signal.removeEventListener('abort', stop));
    });
  await pass.checkpoint();
  hooks.signal.throwIfAborted();
  hooks.progress.done();
  expectAllCounted(pass);
}

async function flowOf(
  prepared: Prepared,
  corpus: Corpus,
  chain: ChainStep[],
  pool: WorkerPool,
  pass: Pass,
  { signal, supervision = unsupervised }: StageHooks,
): Promise<Flow> {
  const { configuration, custom, facts, pool: size } = prepared;
  const { contextTokens, slice } = configuration;
  const specs = chain.map(({ spec }) => spec);
  const credits = new CarefulCredits(size.credits, careUntil(supervision.caution), pass.next.key);
  return {
    documents: pass.noted(readDocuments(corpus, configuration.corpus, slice, contextTokens, pass.next)),
    firstBatch: pass.next.batch,
    documentMaps: await openGraphMaps(custom, 'documents', facts),
    pool: carefully(
      (batch) => pool.run<ScoreBatch>('fused', specs, batch),
      (batch) => pass.rangeOf(batch),
      supervision,
    ),
    scoreMaps: await openGraphMaps(custom, 'scores', facts),
    observers: custom.observers,
    folds: pass.allFolds,
    sink: async (batch) => {
      await pass.take(batch);
      credits.passed(pass.next.key);
    },
    credits,
    signal,
  };
}

/** Drains the flow with its progress shown; ends early where the run was asked to stop. */
async function follow(
  flow: ReturnType<typeof influenceGraph>,
  pool: WorkerPool,
  { progress, supervision = unsupervised }: StageHooks,
): Promise<void> {
  let shown = 0;
  // A slice of a large model takes a minute: tokens are shown as its parts are done.
  const showTokens = () => {
    progress.advance({ items: 0, tokens: pool.tokens - shown });
    shown = pool.tokens;
    supervision.tokens(shown);
  };
  const timer = setInterval(showTokens, 500);
  const counted = flow.pipe(
    tap((batch) => progress.advance({ items: batch.key.length + batch.setAside.length, tokens: 0 })),
  );
  try {
    await lastValueFrom(counted, { defaultValue: null });
    showTokens();
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
  } finally {
    clearInterval(timer);
  }
}

/** read = scored + set aside: an operator that drops a document without a word would bias every statistic. */
function expectAllCounted({ counts: { read }, folds }: Pass): void {
  const { read: counted } = folds.counts.result() as DocumentCounts;
  if (counted === read) return;
  throw new IntegrityError(
    `the run read ${read} documents and counted ${counted} as scored or set aside: an operator of the configuration drops or adds ` +
      'documents; put those it drops into setAside',
  );
}

function streamedOf(pass: Pass): Streamed {
  const { folds, custom, counts, of, journalBytes } = pass;
  return { folds, custom, tally: counts, entries: () => readJournal(journalPath(of.folder), journalBytes) };
}

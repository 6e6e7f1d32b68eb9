/** Streams what is left of a pass through the graph and its pool, with checkpoints on the way. */
import { lastValueFrom, tap } from 'rxjs';
import type { DocumentCounts } from '../../../operators/accumulators/documentCounts.ts';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import { readDocuments } from '../../../operators/documents/readDocuments.ts';
import type { DocumentBatch, ScoreBatch } from '../../../schemas/batches.ts';
import type { Configuration } from '../../../schemas/configuration.ts';
import { IntegrityError } from '../../../schemas/errors.ts';
import { CarefulCredits } from '../../credits.ts';
import { type Flow, influenceGraph } from '../../influenceGraph.ts';
import { openGraphMaps } from '../../operators/customOperators.ts';
import { withoutPoison } from '../../pool/withoutPoison.ts';
import { StoppedError, type WorkerPool } from '../../pool/workerPool.ts';
import { unsupervised } from '../../supervisor/supervision.ts';
import type { StageHooks } from '../stageHooks.ts';
import { withPool } from '../withPool.ts';
import { carefully, careUntil } from './carefully.ts';
import type { OpenRun } from './openRun.ts';
import type { Pass } from './pass.ts';

/** Takes the pass to the end of its range. Throws the signal's reason where the user stops it: it is in a checkpoint then. */
export async function streamCorpus(run: OpenRun, pass: Pass, hooks: StageHooks): Promise<void> {
  const { keyStart, keyEnd } = pass.of.range;
  hooks.progress.stage('documents', keyEnd - keyStart, undefined, pass.next.key - keyStart);
  if (pass.next.key < keyEnd)
    await withPool(run.prepared, hooks, async (pool) => {
      // What stands is safe at once; what the tasks at hand still give is added below.
      const stop = () => void pass.checkpoint().catch(() => {});
      hooks.signal.addEventListener('abort', stop);
      const flow = influenceGraph(await flowOf(run, pool, pass, hooks));
      await follow(flow, pool, hooks).finally(() => hooks.signal.removeEventListener('abort', stop));
    });
  await pass.checkpoint();
  hooks.signal.throwIfAborted();
  hooks.progress.done();
  expectAllCounted(pass);
}

async function flowOf(
  { prepared, corpus, chain }: OpenRun,
  pool: WorkerPool,
  pass: Pass,
  { signal, supervision = unsupervised }: StageHooks,
): Promise<Flow> {
  const { configuration, custom, facts, pool: size } = prepared;
  const specs = chain.map(({ spec }) => spec);
  const files = corpus.files.map(({ path }) => path);
  const policy = { onBadRow: configuration.corpus.onBadRow, files, seconds: configuration.supervisor.batchSeconds };
  const run = (batch: DocumentBatch) => pool.run<ScoreBatch>('fused', specs, batch);
  const credits = new CarefulCredits(size.credits, careUntil(supervision.caution), pass.next.key);
  return {
    documents: pass.noted(slicesOf(corpus, configuration, pass)),
    firstBatch: pass.next.batch,
    documentMaps: await openGraphMaps(custom, 'documents', facts),
    pool: carefully(
      (batch) => withoutPoison(batch, run, policy),
      (batch) => pass.rangeOf(batch),
      supervision,
      policy,
    ),
    scoreMaps: await openGraphMaps(custom, 'scores', facts),
    policy,
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

/** The slices from the next one of the pass to the end of its range. */
function slicesOf(corpus: Corpus, { corpus: settings, slice, contextTokens }: Configuration, { of, next }: Pass) {
  const { keyStart, keyEnd } = of.range;
  const ranged = { ...settings, skip: keyStart, limit: keyEnd - keyStart };
  return readDocuments(corpus, ranged, slice, contextTokens, next);
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

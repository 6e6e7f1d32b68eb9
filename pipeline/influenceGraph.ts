/** The whole flow on one screen: documents through the pool to scores, folded in reading order. Read this file first. */
import { concatMap, finalize, from, map, mergeMap, type Observable } from 'rxjs';
import { expectFinite, setAsideNotFinite } from '../operators/scores/setAsideNotFinite.ts';
import type { DocumentBatch, ScoreBatch } from '../schemas/batches.ts';
import { type Credits, paced } from './credits.ts';
import { inReadingOrder } from './inReadingOrder.ts';
import type { OpenFold } from './operators/folds.ts';
import type { Observer } from './operators/loadOperator.ts';
import { lookOn } from './operators/lookOn.ts';
import type { OpenOperator } from './operators/openOperator.ts';
import { type MapPolicy, runMaps } from './operators/runMaps.ts';

/** What flows, and through what. */
export interface Flow {
  /** Numbered in reading order, from `firstBatch` on. */
  documents: AsyncIterable<DocumentBatch>;
  firstBatch: number;
  /** Maps over documents that run on the main thread. */
  documentMaps: OpenOperator[];
  /** Adjacent pool operators as one task: token windows, projected gradients, scores. */
  pool: (slice: DocumentBatch) => Promise<ScoreBatch>;
  /** Maps over scores that run on the main thread. */
  scoreMaps: OpenOperator[];
  /** What becomes of documents on which a map fails, and of scores that are not finite. */
  policy: MapPolicy;
  /** RxJS operators that look on. */
  observers: Observer[];
  folds: OpenFold[];
  /**
   * Takes each batch in the same tick in which it was folded, so that between two ticks folds and sink have the same batches: notes what
   * was set aside, and scores where they are kept, and writes a checkpoint when it is time.
   */
  sink: (batch: ScoreBatch) => Promise<void>;
  /** One per batch in flight. */
  credits: Credits;
  /** Aborting ends the flow after the batches in flight. */
  signal: AbortSignal;
}

/** Emits each batch when every fold has taken it. */
export function influenceGraph(flow: Flow): Observable<ScoreBatch> {
  const { credits } = flow;
  return from(paced(flow.documents, credits, flow.signal)).pipe(
    concatMap((documents) => runMaps(flow.documentMaps, documents, flow.policy)),
    mergeMap((documents) => flow.pool(documents)),
    inReadingOrder(flow.firstBatch),
    concatMap((scores) => runMaps(flow.scoreMaps, scores, flow.policy)),
    map((scores) =>
      flow.policy.onBadRow === 'fail' ? expectFinite(scores, flow.policy.files) : setAsideNotFinite(scores),
    ),
    lookOn(flow.observers),
    concatMap(async (scores) => {
      for (const fold of flow.folds) fold.add(scores);
      await flow.sink(scores);
      credits.give();
      return scores;
    }),
    finalize(() => credits.close()),
  );
}

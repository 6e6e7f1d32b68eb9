/** The whole flow on one screen: documents through the pool to scores, folded in reading order. Read this file first. */
import { concatMap, finalize, from, map, mergeMap, type Observable, tap } from 'rxjs';
import { setAsideNotFinite } from '../operators/scores/setAsideNotFinite.ts';
import type { DocumentBatch, ScoreBatch } from '../schemas/batches.ts';
import { Credits, paced } from './credits.ts';
import { inReadingOrder } from './inReadingOrder.ts';
import type { OpenFold } from './operators/folds.ts';
import type { Observer } from './operators/loadOperator.ts';
import { lookOn } from './operators/lookOn.ts';
import { type OpenOperator, runChain } from './pool/fusedTask.ts';

/** What flows, and through what. */
export interface Flow {
  /** Numbered in reading order. */
  documents: AsyncIterable<DocumentBatch>;
  /** Maps over documents that run on the main thread. */
  documentMaps: OpenOperator[];
  /** Adjacent pool operators as one task: token windows, projected gradients, scores. */
  pool: (slice: DocumentBatch) => Promise<ScoreBatch>;
  /** Maps over scores that run on the main thread. */
  scoreMaps: OpenOperator[];
  /** RxJS operators that look on. */
  observers: Observer[];
  folds: OpenFold[];
  /** Takes each batch once it is folded: writes what was set aside, and scores where they are kept. */
  sink: (batch: ScoreBatch) => Promise<void>;
  /** Batches in flight at once. */
  credits: number;
  /** Aborting ends the flow after the batches in flight. */
  signal: AbortSignal;
}

/** Emits each batch when every fold has taken it. */
export function influenceGraph(flow: Flow): Observable<ScoreBatch> {
  const credits = new Credits(flow.credits);
  return from(paced(flow.documents, credits, flow.signal)).pipe(
    concatMap((documents) => runChain<DocumentBatch>(flow.documentMaps, documents)),
    mergeMap((documents) => flow.pool(documents)),
    inReadingOrder(),
    concatMap((scores) => runChain<ScoreBatch>(flow.scoreMaps, scores)),
    map(setAsideNotFinite),
    lookOn(flow.observers),
    tap((scores) => {
      for (const fold of flow.folds) fold.add(scores);
    }),
    concatMap(async (scores) => {
      await flow.sink(scores);
      credits.give();
      return scores;
    }),
    finalize(() => credits.close()),
  );
}

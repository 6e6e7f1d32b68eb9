/** Keeps, for every query, the k documents of the highest BM25: the ranking that word overlap alone would give. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';
import { emptyHeaps, type Heaps, offer, type RankedDocuments, rankHeaps } from './rankedHeaps.ts';

export interface Bm25DocumentsState {
  k: number;
  /** (Q) Pairs in each heap: documents that share no word with a query are not ranked for it. */
  kept: Uint32Array;
  heaps: Heaps;
}

/** The result has no rows where batches carry no BM25; equal scores stand by the lower key. */
export const bm25Documents: FoldOperator<Bm25DocumentsState, RankedDocuments> = {
  kind: 'fold',
  name: 'bm25_documents',
  takes: 'scores',
  empty: (_settings, { queries: { length: Q }, topK }) => ({
    k: topK,
    kept: new Uint32Array(Q),
    heaps: emptyHeaps(Q, topK),
  }),
  add: addBatch,
  merge: (into, { kept, heaps: { score, key }, k }) => {
    for (let q = 0; q < kept.length; ++q)
      for (let i = 0; i < kept[q]; ++i) rankDocument(into, q, score[q * k + i], key[q * k + i]);
  },
  result: ({ heaps, kept, k }) => rankHeaps(heaps, kept, k),
};

/** Written as "not below", so that NaN, which is below nothing, reaches the check in `rankDocument`. */
function addBatch(state: Bm25DocumentsState, { key, bm25 }: ScoreBatch): void {
  if (!bm25) return;
  const { kept, heaps } = state;
  const Q = kept.length;
  if (bm25.length !== key.length * Q)
    throw new Error(
      `bm25Documents expected ${key.length} documents × ${Q} scores, got ${bm25.length}: an operator dropped documents and left their ` +
        'BM25; let selectDocuments drop them, or set bm25: false',
    );
  for (let b = 0; b < key.length; ++b)
    for (let q = 0; q < Q; ++q) {
      const score = bm25[b * Q + q];
      if (!(score <= 0) && !(score < heaps.floor[q])) rankDocument(state, q, score, key[b]);
    }
}

function rankDocument({ heaps, kept, k }: Bm25DocumentsState, q: number, score: number, key: number): void {
  if (!Number.isFinite(score))
    throw new Error(`bm25Documents expected finite scores, got ${score} (document key ${key}, query ${q})`);
  offer(heaps, q, k, kept[q], score, key);
  if (kept[q] < k) ++kept[q];
}

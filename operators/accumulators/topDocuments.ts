/** Keeps, for every query, the k documents of the highest and the k of the lowest score: two bounded heaps a query. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';
import { emptyHeaps, type Heaps, offer, type RankedDocuments, rankHeaps } from './rankedHeaps.ts';

export type { RankedDocuments };

export interface TopDocumentsState {
  k: number;
  queries: number;
  /** Pairs in each heap: all heaps have seen the same documents. */
  kept: number;
  top: Heaps;
  /** Holds -score, so that both ends are one algorithm. */
  bottom: Heaps;
}

/** `top` starts at the highest score, `bottom` at the most negative one; equal scores stand by the lower key in both. */
export interface TopDocuments {
  top: RankedDocuments;
  bottom: RankedDocuments;
}

export const topDocuments: FoldOperator<TopDocumentsState, TopDocuments> = {
  kind: 'fold',
  name: 'top_documents',
  takes: 'scores',
  empty: (_settings, { queries, topK }) => ({
    k: topK,
    queries: queries.length,
    kept: 0,
    top: emptyHeaps(queries.length, topK),
    bottom: emptyHeaps(queries.length, topK),
  }),
  add: addBatch,
  merge: mergeHeaps,
  result: ({ top, bottom, kept, k, queries }) => {
    const each = Array<number>(queries).fill(kept);
    const ranked = { top: rankHeaps(top, each, k), bottom: rankHeaps(bottom, each, k) };
    ranked.bottom.score.forEach((negated, i, score) => {
      score[i] = 0 - negated;
    });
    return ranked;
  },
};

/** Every document key of the rankings, once, ascending: what must be read again from the corpus. */
export function rankedKeys({ top, bottom }: TopDocuments, ...others: Pick<RankedDocuments, 'key'>[]): Float64Array {
  const keys = new Set<number>();
  for (const { key } of [top, bottom, ...others]) for (const document of key) keys.add(document);
  return Float64Array.from(keys).sort();
}

/**
 * Nearly every pair is below both floors, so the inner loop is two reads of neighbouring numbers. Written as "not below", so that NaN,
 * which is below nothing, reaches the check in `offerFinite`. Adding to 0 turns -0 into 0, so that equal scores are equal bits.
 */
function addBatch(state: TopDocumentsState, { key, scores, queries }: ScoreBatch): void {
  const { top, bottom, k } = state;
  for (let b = 0; b < key.length; ++b) {
    for (let q = 0; q < queries; ++q) {
      const score = scores[b * queries + q];
      if (!(score < top.floor[q])) offerFinite(top, q, k, state.kept, 0 + score, key[b]);
      if (!(-score < bottom.floor[q])) offerFinite(bottom, q, k, state.kept, 0 - score, key[b]);
    }
    if (state.kept < k) ++state.kept;
  }
}

function mergeHeaps(into: TopDocumentsState, from: TopDocumentsState): void {
  const { k, queries } = into;
  for (const end of ['top', 'bottom'] as const)
    for (let q = 0; q < queries; ++q)
      for (let i = 0; i < from.kept; ++i)
        offer(into[end], q, k, Math.min(into.kept + i, k), from[end].score[q * k + i], from[end].key[q * k + i]);
  into.kept = Math.min(into.kept + from.kept, k);
}

function offerFinite(heaps: Heaps, q: number, k: number, kept: number, score: number, key: number): void {
  if (!Number.isFinite(score))
    throw new Error(
      `topDocuments expected finite scores, got ${score} (document key ${key}, query ${q}): setAsideNotFinite comes before the folds`,
    );
  offer(heaps, q, k, kept, score, key);
}

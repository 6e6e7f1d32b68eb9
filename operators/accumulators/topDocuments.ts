/** Keeps, for every query, the k documents of the highest and the k of the lowest score: two bounded heaps a query. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';

/** Q heaps of up to k (score, key) pairs. The root is the worst that is kept: the lowest score, of equals the highest key. */
interface Heaps {
  /** (Q,k) row-major. */
  score: Float64Array;
  /** (Q,k) row-major. */
  key: Float64Array;
  /** (Q) What a score must reach to be looked at: the root's score once the heap is full, -Infinity before. */
  floor: Float64Array;
}

export interface TopDocumentsState {
  k: number;
  queries: number;
  /** Pairs in each heap: all heaps have seen the same documents. */
  kept: number;
  top: Heaps;
  /** Holds -score, so that both ends are one algorithm. */
  bottom: Heaps;
}

/** Rows sorted by (query, rank): columns of one length. */
export interface RankedDocuments {
  query: Uint32Array;
  /** From 1. */
  rank: Uint32Array;
  score: Float64Array;
  key: Float64Array;
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
    const ranked = { top: rank(top, kept, k, queries), bottom: rank(bottom, kept, k, queries) };
    ranked.bottom.score.forEach((negated, i, score) => {
      score[i] = 0 - negated;
    });
    return ranked;
  },
};

/** Every document key of a ranking, once, ascending: what must be read again from the corpus. */
export function rankedKeys({ top, bottom }: TopDocuments): Float64Array {
  return Float64Array.from(new Set([...top.key, ...bottom.key])).sort();
}

const emptyHeaps = (queries: number, k: number): Heaps => ({
  score: new Float64Array(queries * k),
  key: new Float64Array(queries * k),
  floor: new Float64Array(queries).fill(-Infinity),
});

/**
 * Nearly every pair is below both floors, so the inner loop is two reads of neighbouring numbers. Written as "not below", so that NaN,
 * which is below nothing, reaches the check in `offer`. Adding to 0 turns -0 into 0, so that equal scores are equal bits.
 */
function addBatch(state: TopDocumentsState, { key, scores, queries }: ScoreBatch): void {
  const { top, bottom, k } = state;
  for (let b = 0; b < key.length; ++b) {
    for (let q = 0; q < queries; ++q) {
      const score = scores[b * queries + q];
      if (!(score < top.floor[q])) offer(top, q, k, state.kept, 0 + score, key[b]);
      if (!(-score < bottom.floor[q])) offer(bottom, q, k, state.kept, 0 - score, key[b]);
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

/** Puts (score, key) into query q's heap of `kept` pairs; into a full heap in place of the root, if it is better than that. */
function offer(heaps: Heaps, q: number, k: number, kept: number, score: number, key: number): void {
  if (!Number.isFinite(score))
    throw new Error(
      `topDocuments expected finite scores, got ${score} (document key ${key}, query ${q}): setAsideNotFinite comes before the folds`,
    );
  const root = q * k;
  if (kept < k) siftUp(heaps, root, kept, score, key);
  else if (worse(heaps.score[root], heaps.key[root], score, key)) siftDown(heaps, root, k, score, key);
  if (kept >= k - 1) heaps.floor[q] = heaps.score[root];
}

/** Whether pair 1 ranks below pair 2. */
const worse = (score1: number, key1: number, score2: number, key2: number): boolean =>
  score1 < score2 || (score1 === score2 && key1 > key2);

/** Opens a hole at the end of the heap that starts at `root` and moves parents into it until the pair fits. */
function siftUp({ score: scores, key: keys }: Heaps, root: number, end: number, score: number, key: number): void {
  let hole = end;
  while (hole > 0) {
    const parent = (hole - 1) >> 1;
    if (!worse(score, key, scores[root + parent], keys[root + parent])) break;
    scores[root + hole] = scores[root + parent];
    keys[root + hole] = keys[root + parent];
    hole = parent;
  }
  scores[root + hole] = score;
  keys[root + hole] = key;
}

/** Drops the root of a heap of `size` pairs and moves the worse children up until the pair fits. */
function siftDown({ score: scores, key: keys }: Heaps, root: number, size: number, score: number, key: number): void {
  let hole = 0;
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= size) break;
    const [left, right] = [root + child, root + child + 1];
    if (child + 1 < size && worse(scores[right], keys[right], scores[left], keys[left])) ++child;
    if (!worse(scores[root + child], keys[root + child], score, key)) break;
    scores[root + hole] = scores[root + child];
    keys[root + hole] = keys[root + child];
    hole = child;
  }
  scores[root + hole] = score;
  keys[root + hole] = key;
}

function rank(heaps: Heaps, kept: number, k: number, queries: number): RankedDocuments {
  const rows = queries * kept;
  const order = new Uint32Array(kept);
  const query = new Uint32Array(rows);
  const score = new Float64Array(rows);
  const key = new Float64Array(rows);
  for (let q = 0; q < queries; ++q) {
    const at = q * k;
    order.forEach((_, i) => {
      order[i] = at + i;
    });
    order.sort((i, j) => heaps.score[j] - heaps.score[i] || heaps.key[i] - heaps.key[j]);
    for (let i = 0; i < kept; ++i) {
      query[q * kept + i] = q;
      score[q * kept + i] = heaps.score[order[i]];
      key[q * kept + i] = heaps.key[order[i]];
    }
  }
  return { query, rank: Uint32Array.from(query, (_, row) => (row % kept) + 1), score, key };
}

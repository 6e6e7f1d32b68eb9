/** Bounded heaps of (score, document key), one a query: what a ranking of the k best documents is kept in. */

/** Q heaps of up to k (score, key) pairs. The root is the worst that is kept: the lowest score, of equals the highest key. */
export interface Heaps {
  /** (Q,k) row-major. */
  score: Float64Array;
  /** (Q,k) row-major. */
  key: Float64Array;
  /** (Q) What a score must reach to be looked at: the root's score once the heap is full, -Infinity before. */
  floor: Float64Array;
}

/** Rows sorted by (query, rank): columns of one length. */
export interface RankedDocuments {
  query: Uint32Array;
  /** From 1. */
  rank: Uint32Array;
  score: Float64Array;
  key: Float64Array;
}

export const emptyHeaps = (queries: number, k: number): Heaps => ({
  score: new Float64Array(queries * k),
  key: new Float64Array(queries * k),
  floor: new Float64Array(queries).fill(-Infinity),
});

/** Puts (score, key) into query q's heap of `kept` pairs; into a full heap in place of the root, if it is better than that. */
export function offer(heaps: Heaps, q: number, k: number, kept: number, score: number, key: number): void {
  const root = q * k;
  if (kept < k) siftUp(heaps, root, kept, score, key);
  else if (worse(heaps.score[root], heaps.key[root], score, key)) siftDown(heaps, root, k, score, key);
  if (kept >= k - 1) heaps.floor[q] = heaps.score[root];
}

/** The heaps as sorted rows: the highest score first, equal ones by the lower key. `kept[q]` pairs stand in query q's heap. */
export function rankHeaps(heaps: Heaps, kept: ArrayLike<number>, k: number): RankedDocuments {
  const rows = Array.from(kept).reduce((sum, pairs) => sum + pairs, 0);
  const ranked: RankedDocuments = {
    query: new Uint32Array(rows),
    rank: new Uint32Array(rows),
    score: new Float64Array(rows),
    key: new Float64Array(rows),
  };
  for (let q = 0, row = 0; q < kept.length; row += kept[q++]) rankQuery(ranked, row, heaps, q, q * k, kept[q]);
  return ranked;
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

/** Writes the `kept` pairs of the heap that starts at `root` to the rows from `row` on. */
function rankQuery(ranked: RankedDocuments, row: number, heaps: Heaps, q: number, root: number, kept: number): void {
  const order = Uint32Array.from({ length: kept }, (_, i) => root + i);
  order.sort((i, j) => heaps.score[j] - heaps.score[i] || heaps.key[i] - heaps.key[j]);
  for (let i = 0; i < kept; ++i) {
    ranked.query[row + i] = q;
    ranked.rank[row + i] = i + 1;
    ranked.score[row + i] = heaps.score[order[i]];
    ranked.key[row + i] = heaps.key[order[i]];
  }
}

/** Where the ranking of each query starts and ends: rows rowStart[q] to rowStart[q + 1]. */
export function rankingStarts({ query }: RankedDocuments, queries: number): number[] {
  const starts = Array<number>(queries + 1).fill(query.length);
  for (let i = query.length - 1; i >= 0; --i) starts[query[i]] = i;
  for (let q = queries - 1; q >= 0; --q) starts[q] = Math.min(starts[q], starts[q + 1]);
  return starts;
}

/** Scores and keys of each query's rows, best first; empty for a query without any. */
export function rankingsOf(ranked: RankedDocuments, queries: number): { score: Float64Array; key: Float64Array }[] {
  const starts = rankingStarts(ranked, queries);
  return Array.from({ length: queries }, (_, q) => ({
    score: ranked.score.subarray(starts[q], starts[q + 1]),
    key: ranked.key.subarray(starts[q], starts[q + 1]),
  }));
}

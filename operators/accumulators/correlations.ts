/** Pearson's correlation of every query pair over all documents, from running co-moments: the dense table of scores is never needed. */
import betainc from '@stdlib/math-base-special-betainc';
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';

export interface CorrelationsState {
  /** Documents. */
  n: number;
  /** (Q) */
  mean: Float64Array;
  /** (Q,Q) row-major, the upper triangle: sums over documents of (s_a - mean_a)(s_b - mean_b). */
  comoment: Float64Array;
}

/** One row per query pair a < b, in that order. NaN stands where r and p are undefined: n < 3, or a query whose scores are all equal. */
export interface Correlations {
  /** Documents. */
  n: number;
  queryA: Uint32Array;
  queryB: Uint32Array;
  r: Float64Array;
  /** Two-sided; 0 where it is below the smallest float64. */
  p: Float64Array;
  /** Whether p stays below `significanceLevel` when multiplied by the number of pairs (Bonferroni). */
  significant: boolean[];
}

export const significanceLevel = 0.05;

export const correlations: FoldOperator<CorrelationsState, Correlations> = {
  kind: 'fold',
  name: 'correlations',
  takes: 'scores',
  empty: (_settings, { queries: { length: Q } }) => ({
    n: 0,
    mean: new Float64Array(Q),
    comoment: new Float64Array(Q * Q),
  }),
  add: (state, batch) => {
    if (batch.key.length > 0) mergeBatch(state, batch);
  },
  merge: mergeMoments,
  result: correlate,
};

/**
 * P(|T| >= |t|) for Student's t with n - 2 degrees of freedom, t = r √((n - 2) / (1 - r²)): the regularised incomplete beta function
 * I(1 - r²; (n - 2)/2, 1/2), taken from the side on which its argument is exact.
 */
export function twoSidedP(r: number, n: number): number {
  const half = (n - 2) / 2;
  return r * r < 0.5 ? betainc(r * r, 0.5, half, true, true) : betainc((1 - r) * (1 + r), half, 0.5);
}

/** Chan, Golub and LeVeque's update: the co-moments of the parts, and of the offset between their means, add up. */
function mergeMoments(into: CorrelationsState, from: CorrelationsState): void {
  const Q = into.mean.length;
  const offset = offsetRow(into, from);
  for (let a = 0; a < Q; ++a)
    for (let b = a; b < Q; ++b) into.comoment[a * Q + b] += from.comoment[a * Q + b] + offset[a] * offset[b];
}

/** Merges a batch: its documents, centred, and the offset of its mean are rows of one product XᵀX. */
function mergeBatch(state: CorrelationsState, batch: ScoreBatch): void {
  const B = batch.key.length;
  const Q = batch.queries;
  const mean = batchMean(batch);
  const rows = new Float64Array((B + 1) * Q);
  for (let b = 0; b < B; ++b) for (let q = 0; q < Q; ++q) rows[b * Q + q] = batch.scores[b * Q + q] - mean[q];
  rows.set(offsetRow(state, { n: B, mean }), B * Q);
  // the centred row of a batch of one is zero
  addProduct(state.comoment, B === 1 ? rows.subarray(Q) : rows, Q);
}

/** (Q) Means over the batch, from the first document's scores: then equal scores have exactly their own mean, and no variance. */
function batchMean({ key, queries: Q, scores }: ScoreBatch): Float64Array {
  const sum = new Float64Array(Q);
  for (let b = 1; b < key.length; ++b) for (let q = 0; q < Q; ++q) sum[q] += scores[b * Q + q] - scores[q];
  const mean = sum.map((total, q) => scores[q] + total / key.length);
  const bad = mean.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new Error(
      `correlations expected finite scores, got a batch whose mean is ${mean[bad]} (document keys from ${key[0]}, query ${bad}): setAsideNotFinite comes before the folds`,
    );
  return mean;
}

/** (Q) √(n m / (n + m)) · (the offset of the means); moves `into`'s count and mean to the whole. */
function offsetRow(into: CorrelationsState, from: Pick<CorrelationsState, 'n' | 'mean'>): Float64Array {
  const n = into.n + from.n;
  const weight = n === 0 ? 0 : Math.sqrt((into.n / n) * from.n);
  const row = from.mean.map((mean, q) => (mean - into.mean[q]) * weight);
  if (from.n > 0) for (let q = 0; q < row.length; ++q) into.mean[q] += (from.mean[q] - into.mean[q]) * (from.n / n);
  into.n = n;
  return row;
}

/** comoment (Q,Q) += rowsᵀ rows, the upper triangle; two rows at a time, since each pass reads and writes the whole triangle. */
function addProduct(comoment: Float64Array, rows: Float64Array, Q: number): void {
  const R = rows.length / Q;
  for (let i = 0; i < R; i += 2) {
    const x = i * Q;
    const y = i + 1 < R ? x + Q : -1;
    for (let a = 0; a < Q; ++a) {
      const xa = rows[x + a];
      if (y < 0) for (let b = a; b < Q; ++b) comoment[a * Q + b] += xa * rows[x + b];
      else {
        const ya = rows[y + a];
        for (let b = a; b < Q; ++b) comoment[a * Q + b] += xa * rows[x + b] + ya * rows[y + b];
      }
    }
  }
}

function correlate({ n, mean, comoment }: CorrelationsState): Correlations {
  const Q = mean.length;
  const pairs = (Q * (Q - 1)) / 2;
  const queryA = new Uint32Array(pairs);
  const queryB = new Uint32Array(pairs);
  const r = new Float64Array(pairs).fill(Number.NaN);
  const deviation = mean.map((_, q) => Math.sqrt(comoment[q * Q + q]));
  for (let a = 0, pair = 0; a < Q; ++a)
    for (let b = a + 1; b < Q; ++b, ++pair) {
      queryA[pair] = a;
      queryB[pair] = b;
      const defined = n >= 3 && deviation[a] > 0 && deviation[b] > 0;
      if (defined) r[pair] = Math.max(-1, Math.min(1, comoment[a * Q + b] / deviation[a] / deviation[b]));
    }
  const p = r.map((value) => twoSidedP(value, n));
  return { n, queryA, queryB, r, p, significant: bonferroni(p) };
}

function bonferroni(p: Float64Array): boolean[] {
  const tests = p.reduce((count, value) => count + (Number.isNaN(value) ? 0 : 1), 0);
  return Array.from(p, (value) => value * tests < significanceLevel);
}

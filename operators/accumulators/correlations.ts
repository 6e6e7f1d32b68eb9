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
  add: addBatch,
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

/**
 * Chan, Golub and LeVeque's update: the co-moments of two parts, and the product of the offset between their means with itself, weighted
 * by n m / (n + m), add up to those of the whole. Nothing is lost when means are far from zero.
 */
function mergeMoments(into: CorrelationsState, from: CorrelationsState): void {
  const Q = into.mean.length;
  const row = new Float64Array(Q);
  if (from.n > 0) moveMean(into, from.mean, 0, from.n, row, 0);
  for (let a = 0; a < Q; ++a)
    for (let b = a; b < Q; ++b) into.comoment[a * Q + b] += from.comoment[a * Q + b] + row[a] * row[b];
}

/** The same update with every document as a part of one, whose co-moments are zero: what is left is one product XᵀX of the offsets. */
function addBatch(state: CorrelationsState, { key: { length: B }, queries: Q, scores }: ScoreBatch): void {
  const bad = scores.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0)
    throw new Error(
      `correlations expected finite scores, got ${scores[bad]} (row ${Math.floor(bad / Q)} of a batch, query ${bad % Q}): setAsideNotFinite comes before the folds`,
    );
  const offsets = new Float64Array(rowsAtATime * Math.ceil(B / rowsAtATime) * Q);
  for (let at = 0; at < B * Q; at += Q) moveMean(state, scores, at, 1, offsets, at);
  addProduct(state.comoment, offsets, Q);
}

/** Moves n and mean on by m documents whose means stand in `means` at `at`; writes √(n m / (n + m)) · (offset of the means) to `row`. */
function moveMean(
  state: CorrelationsState,
  means: Float64Array,
  at: number,
  m: number,
  row: Float64Array,
  to: number,
): void {
  const { n, mean } = state;
  state.n = n + m;
  const share = m / state.n;
  const weight = Math.sqrt(n * share);
  for (let q = 0; q < mean.length; ++q) {
    const offset = means[at + q] - mean[q];
    row[to + q] = weight * offset;
    mean[q] += share * offset;
  }
}

// each pass over the rows reads and writes the whole triangle: four rows a pass are twice as fast as one
const rowsAtATime = 4;

/** comoment (Q,Q) += rowsᵀ rows, the upper triangle, in passes of four rows. */
function addProduct(comoment: Float64Array, rows: Float64Array, Q: number): void {
  for (let w = 0; w < rows.length; w += rowsAtATime * Q) {
    const x = w + Q;
    const y = x + Q;
    const z = y + Q;
    for (let a = 0; a < Q; ++a) {
      const [wa, xa, ya, za] = [rows[w + a], rows[x + a], rows[y + a], rows[z + a]];
      for (let b = a; b < Q; ++b)
        comoment[a * Q + b] += wa * rows[w + b] + xa * rows[x + b] + ya * rows[y + b] + za * rows[z + b];
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

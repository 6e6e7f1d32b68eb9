/** Sums Gram matrices of the queries' weighted gradients, in float64: the queries one after the other, so that one is in memory. */
import type { Matrix } from '../../curvature/denseProducts.ts';
import { type CoordinateWeights, weigh } from './coordinateWeights.ts';
import type { QueryGradients } from './queryGradients.ts';

/** A (width,width) matrix made of W_q. */
export interface Gram {
  width: number;
  of(w: Matrix): Promise<Matrix>;
}

/** Σ_q importance_q gram(W_q) of each of `grams`. */
export async function sumGrams(
  { queries, gradient }: QueryGradients,
  weights: CoordinateWeights,
  importance: Float64Array,
  grams: Gram[],
): Promise<Float64Array[]> {
  const sums = grams.map(({ width }) => new Float64Array(width * width));
  for (let q = 0; q < queries; q++) {
    const w = weigh(await gradient(q), weights);
    for (const [g, gram] of grams.entries()) addTo(sums[g], await gram.of(w), importance[q]);
  }
  return sums;
}

function addTo(sums: Float64Array, { values }: Matrix, factor: number): void {
  for (let i = 0; i < values.length; i++) sums[i] += factor * values[i];
}

/** Alternating rounds (HOOI): the best outputs for the inputs that are kept, then the best inputs for those outputs. */
import type { Matrix, Products } from '../../curvature/denseProducts.ts';
import { eigendecompose } from '../../curvature/eigendecompose.ts';
import { columnsOf } from '../../curvature/moduleCurvature.ts';
import { type CoordinateWeights, weigh } from './coordinateWeights.ts';
import type { QueryGradients } from './queryGradients.ts';

export interface Dimensions {
  /** U (O,k_o), orthonormal columns. */
  outputs: Matrix;
  /** V (I,k_i) */
  inputs: Matrix;
}

/** De Lathauwer et al. 2000, algorithm 4.2; no rounds give the dimensions as they come. */
export async function refineDimensions(
  dimensions: Dimensions,
  { rounds, importance }: { rounds: number; importance: Float64Array },
  gradients: QueryGradients,
  weights: CoordinateWeights,
  products: Products,
): Promise<Dimensions> {
  let { outputs, inputs } = dimensions;
  for (let round = 0; round < rounds; round++) {
    // Whole sides stay whole: no choice of the other side changes them.
    if (outputs.columns < outputs.rows)
      outputs = await topOf(outputs.columns, gradients, weights, importance, async (w) => {
        const kept = await products.multiply(w, inputs);
        return products.multiply(kept, kept, { b: true });
      });
    if (inputs.columns < inputs.rows)
      inputs = await topOf(inputs.columns, gradients, weights, importance, async (w) => {
        const kept = await products.multiply(outputs, w, { a: true });
        return products.multiply(kept, kept, { a: true });
      });
  }
  return { outputs, inputs };
}

/** The k top eigenvectors of Σ_q importance_q gram(W_q). */
async function topOf(
  k: number,
  { queries, gradient }: QueryGradients,
  weights: CoordinateWeights,
  importance: Float64Array,
  gram: (w: Matrix) => Promise<Matrix>,
): Promise<Matrix> {
  let sums = new Float64Array(0);
  let n = 0;
  for (let q = 0; q < queries; q++) {
    const { rows, values } = await gram(weigh(await gradient(q), weights));
    if (q === 0) sums = new Float64Array(values.length);
    n = rows;
    for (let i = 0; i < values.length; i++) sums[i] += importance[q] * values[i];
  }
  const { vectors } = eigendecompose(sums, n);
  return columnsOf({ rows: n, columns: n, values: Float32Array.from(vectors) }, 0, k);
}

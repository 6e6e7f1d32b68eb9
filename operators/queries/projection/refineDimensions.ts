/** Alternating rounds (HOOI): the best outputs for the inputs that are kept, then the best inputs for those outputs. */
import type { Matrix, Products } from '../../curvature/denseProducts.ts';
import { eigendecompose } from '../../curvature/eigendecompose.ts';
import { columnsOf } from '../../curvature/moduleCurvature.ts';
import type { CoordinateWeights } from './coordinateWeights.ts';
import type { QueryGradients } from './queryGradients.ts';
import { type Gram, sumGrams } from './sumGrams.ts';

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
  const topOf = async (side: Matrix, of: Gram['of']): Promise<Matrix> => {
    const n = side.rows;
    const [sums] = await sumGrams(gradients, weights, importance, [{ width: n, of }]);
    const values = Float32Array.from(eigendecompose(sums, n).vectors);
    return columnsOf({ rows: n, columns: n, values }, 0, side.columns);
  };
  let { outputs, inputs } = dimensions;
  for (let round = 0; round < rounds; round++) {
    // Whole sides stay whole: no choice of the other side changes them.
    if (outputs.columns < outputs.rows)
      outputs = await topOf(outputs, async (w) => {
        const kept = await products.multiply(w, inputs);
        return products.multiply(kept, kept, { b: true });
      });
    if (inputs.columns < inputs.rows)
      inputs = await topOf(inputs, async (w) => {
        const kept = await products.multiply(outputs, w, { a: true });
        return products.multiply(kept, kept, { a: true });
      });
  }
  return { outputs, inputs };
}

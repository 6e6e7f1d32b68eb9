/** How much each coordinate of a layer's two sides counts when dimensions are chosen: by how strongly documents move it. */
import type { Matrix } from '../../curvature/denseProducts.ts';
import type { ModuleCurvature } from '../../curvature/moduleCurvature.ts';

/** Square roots: W_q = diag(outputs) R_q diag(inputs). */
export interface CoordinateWeights {
  /** (O) */
  outputs: Float64Array;
  /** (I) */
  inputs: Float64Array;
}

/** Share of the mean strength that every coordinate gets on top, so that none is taken for one that no document moves. */
const ROOT_DAMPING = 0.1;

/** Documents' gradients have covariance ≈ S ⊗ A: its roots. Ones where there is no strength, or none is wanted. */
export function coordinateWeights(curvature: ModuleCurvature, weighting: 'curvature' | 'none'): CoordinateWeights {
  const roots = (strength: Float64Array | null, width: number): Float64Array => {
    if (weighting === 'none' || !strength) return new Float64Array(width).fill(1);
    const mean = strength.reduce((sum, value) => sum + value, 0) / strength.length;
    return strength.map((value) => Math.sqrt(value + ROOT_DAMPING * mean));
  };
  const { module, outputStrength, inputStrength } = curvature;
  return { outputs: roots(outputStrength, module.outputs), inputs: roots(inputStrength, module.inputs) };
}

/** diag(outputs) x diag(inputs), in place. */
export function weigh(x: Matrix, { outputs, inputs }: CoordinateWeights): Matrix {
  for (let o = 0; o < x.rows; o++)
    for (let i = 0; i < x.columns; i++) x.values[o * x.columns + i] *= outputs[o] * inputs[i];
  return x;
}

/** Σ x², in float64. */
export function squaredNorm({ values }: Matrix): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

/** The dimensions of one layer that the queries' gradients lie in, by how much of the scores they carry, in a worker. */
import { writeFile } from 'node:fs/promises';
import type { JobOperator } from '../../../schemas/operators.ts';
import { openProducts, type Products } from '../../curvature/denseProducts.ts';
import { eigendecompose } from '../../curvature/eigendecompose.ts';
import { namedWrite } from '../../files/wholeFile.ts';
import { coordinateWeights } from './coordinateWeights.ts';
import { type LayerTask, openQueryGradients, type WeightedSettings } from './queryGradients.ts';
import { sumGrams } from './sumGrams.ts';

export interface SpectrumTask extends LayerTask {
  /** (Q) What each query's W_q W_qᵀ is multiplied with. */
  importance: Float64Array;
  /** Where the dimensions are written: U (O,O), then V (I,I), float32, dimension j in column j. */
  path: string;
}

/** Eigenvalues, descending: Σ_q importance_q ‖W_q‖² is the sum of either. */
export interface QuerySpectrum {
  /** (O) */
  outputs: Float64Array;
  /** (I) */
  inputs: Float64Array;
}

/** HOSVD: U holds the eigenvectors of Σ_q W_q W_qᵀ, V those of Σ_q W_qᵀ W_q (EKFAC.md; De Lathauwer et al. 2000). */
const querySpectrum: JobOperator<WeightedSettings, SpectrumTask, QuerySpectrum> = {
  kind: 'job',
  name: 'querySpectrum',
  async open({ threadsPerWorker, weighting }) {
    const products = await openProducts(threadsPerWorker);
    return async (task) => {
      const { outputs, inputs } = await grams(task, weighting, products);
      const u = eigendecompose(outputs, task.module.outputs);
      const v = eigendecompose(inputs, task.module.inputs);
      await writeDimensions(task.path, [u.vectors, v.vectors]);
      return { outputs: notNegative(u.values), inputs: notNegative(v.values) };
    };
  },
};
export default querySpectrum;

async function grams(task: SpectrumTask, weighting: WeightedSettings['weighting'], products: Products) {
  const gradients = await openQueryGradients(task, products);
  const weights = coordinateWeights(gradients.curvature, weighting);
  const { outputs: O, inputs: I } = task.module;
  const [outputs, inputs] = await sumGrams(gradients, weights, task.importance, [
    { width: O, of: (w) => products.multiply(w, w, { b: true }) },
    { width: I, of: (w) => products.multiply(w, w, { a: true }) },
  ]);
  return { outputs: symmetric(outputs, O), inputs: symmetric(inputs, I) };
}

/** Rounding leaves the two triangles a bit apart: the upper one counts. */
function symmetric(values: Float64Array, n: number): Float64Array {
  for (let r = 0; r < n; r++) for (let c = 0; c < r; c++) values[r * n + c] = values[c * n + r];
  return values;
}

function notNegative(values: Float64Array): Float64Array {
  return values.map((value) => Math.max(0, value));
}

async function writeDimensions(path: string, matrices: Float64Array[]): Promise<void> {
  const pieces = matrices.map((matrix) => new Uint8Array(Float32Array.from(matrix).buffer));
  await namedWrite(path, () => writeFile(path, pieces));
}

/** The preconditioned gradients of all queries at one layer, one query at a time, in the basis where the preconditioner is diagonal. */
import type { Matrix, Products } from '../../curvature/denseProducts.ts';
import {
  type CurvatureSettings,
  type ModuleCurvature,
  openModuleCurvature,
  rotateRows,
} from '../../curvature/moduleCurvature.ts';
import { inputSide, outputSide } from '../../curvature/sides.ts';
import type { Module } from '../../gradients/projections.ts';
import { readTapRows, type TapsFile } from './tapsFile.ts';

/** What is known of a layer's queries in a worker. */
export interface LayerTask {
  module: Module;
  taps: TapsFile;
  curvature: CurvatureSettings;
}

/** What the jobs that look at weighted gradients are opened with. */
export interface WeightedSettings {
  threadsPerWorker: number;
  weighting: 'curvature' | 'none';
}

export interface QueryGradients {
  curvature: ModuleCurvature;
  queries: number;
  /** R_q = (Q_Sᵀ ∇f_q Q_A) ∘ scale: (O,I). P(∇f_q) = Q_S R_q Q_Aᵀ. */
  gradient(q: number): Promise<Matrix>;
}

/**
 * Rotates the tokens rather than the gradients: (δ Q_S)ᵀ (a Q_A) takes T·(O² + I²) products in place of O·I·(O + I), and a query has
 * few tokens.
 */
export async function openQueryGradients(
  { module, taps, curvature: settings }: LayerTask,
  products: Products,
): Promise<QueryGradients> {
  const curvature = await openModuleCurvature(module, settings);
  const delta = await rotateRows(products, await readTapRows(taps, outputSide(module)), curvature.outputs);
  const a = await rotateRows(products, await readTapRows(taps, inputSide(module)), curvature.inputs);
  return {
    curvature,
    queries: taps.rowStart.length - 1,
    async gradient(q) {
      const [start, end] = [taps.rowStart[q], taps.rowStart[q + 1]];
      const gradient = await products.multiply(rowsOf(delta, start, end), rowsOf(a, start, end), { a: true });
      const { scale } = curvature;
      if (scale) for (let i = 0; i < scale.length; i++) gradient.values[i] *= scale[i];
      return gradient;
    },
  };
}

function rowsOf({ columns, values }: Matrix, rowStart: number, rowEnd: number): Matrix {
  return { rows: rowEnd - rowStart, columns, values: values.subarray(rowStart * columns, rowEnd * columns) };
}

/** Measures every query's preconditioned gradient at one layer, in a worker: what normalising needs before dimensions are chosen. */
import type { JobOperator } from '../../../schemas/operators.ts';
import { openProducts } from '../../curvature/denseProducts.ts';
import { coordinateWeights, squaredNorm, weigh } from './coordinateWeights.ts';
import { type LayerTask, openQueryGradients, type WeightedSettings } from './queryGradients.ts';

export interface QueryNorms {
  /** (Q) ‖P(∇f_q)‖² at this layer. */
  squaredNorm: Float64Array;
  /** (Q) ‖W_q‖² at this layer: the variance that it gives the scores. */
  weighted: Float64Array;
}

const measureQueries: JobOperator<WeightedSettings, LayerTask, QueryNorms> = {
  kind: 'job',
  name: 'measureQueries',
  async open({ threadsPerWorker, weighting }) {
    const products = await openProducts(threadsPerWorker);
    return async (task) => {
      const { curvature, queries, gradient } = await openQueryGradients(task, products);
      const weights = coordinateWeights(curvature, weighting);
      const norms: QueryNorms = { squaredNorm: new Float64Array(queries), weighted: new Float64Array(queries) };
      for (let q = 0; q < queries; q++) {
        const r = await gradient(q);
        norms.squaredNorm[q] = squaredNorm(r);
        norms.weighted[q] = squaredNorm(weigh(r, weights));
      }
      return norms;
    };
  },
};
export default measureQueries;

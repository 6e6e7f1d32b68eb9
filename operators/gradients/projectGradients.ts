/** Computes each window's loss and its gradient at every tapped layer, projected, in one run of the gradient graph. */
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { ProjectedGradients, TokenWindowBatch, TokenWindows } from '../../schemas/batches.ts';
import type { MapOperator } from '../../schemas/operators.ts';
import type { GradientModel } from './gradientModel.ts';
import { openSession, type SessionSettings } from './onnxSession.ts';

export interface ProjectGradientsSettings extends SessionSettings {
  model: GradientModel;
}

const projectGradients: MapOperator<'tokenWindows', 'projectedGradients', ProjectGradientsSettings> = {
  kind: 'map',
  name: 'projectGradients',
  takes: 'tokenWindows',
  gives: 'projectedGradients',
  lane: 'pool',
  async open(settings) {
    const session = await openSession(settings.model.path, settings);
    const masks = new Map<number, Tensor>();
    return (batch) => run(session, settings.model, masks, batch);
  },
};
export default projectGradients;

/** W windows, padded on the right to the longest: padding carries no loss and no earlier token can see it, so its δ is 0. */
async function run(
  session: InferenceSession,
  model: GradientModel,
  masks: Map<number, Tensor>,
  batch: TokenWindowBatch,
): Promise<ProjectedGradients> {
  const { windows, ...columns } = batch;
  const count = windows.document.length;
  const projected = () => model.widths.map((width) => new Float32Array(count * width));
  const { feeds, tokens } = feedWindows(windows);
  const base = { ...columns, document: windows.document, tokens };
  if (count === 0)
    return {
      ...base,
      loss: new Float64Array(0),
      projected: projected(),
      squaredNorm: model.norms ? new Float64Array(0) : null,
    };
  const outputs = await session.run({ ...feeds, mask: maskOf(feeds.ids.dims[1], masks) });
  return {
    ...base,
    loss: Float64Array.from(outputs.loss.data as Float32Array),
    projected: model.widths.map((_, m) => outputs[`projected_${m}`].data as Float32Array),
    squaredNorm: model.norms ? Float64Array.from(outputs.squaredNorm.data as Float32Array) : null,
  };
}

/** Windows as the graph's inputs, and (W) the labels of each that carry loss. */
export function feedWindows({ start, ids, lossFrom }: TokenWindows) {
  const count = lossFrom.length;
  let longest = 0;
  for (let w = 0; w < count; w++) longest = Math.max(longest, start[w + 1] - start[w]);
  const padded = new BigInt64Array(count * longest);
  const labels = new BigInt64Array(count * longest);
  const weight = new Float32Array(count * longest);
  const tokens = new Uint32Array(count);
  for (let w = 0; w < count; w++) {
    const length = start[w + 1] - start[w];
    tokens[w] = Math.max(0, length - Math.max(1, lossFrom[w]));
    for (let t = 0; t < length; t++) {
      const at = w * longest + t;
      padded[at] = BigInt(ids[start[w] + t]);
      // Position t predicts token t + 1.
      if (t + 1 < length) labels[at] = BigInt(ids[start[w] + t + 1]);
      if (t + 1 < length && t + 1 >= lossFrom[w]) weight[at] = 1;
    }
  }
  const feeds = {
    ids: new Tensor('int64', padded, [count, longest]),
    labels: new Tensor('int64', labels, [count * longest]),
    weight: new Tensor('float32', weight, [count * longest, 1]),
  };
  return { feeds, tokens };
}

/** The causal mask of a length, made once. */
export function maskOf(length: number, masks: Map<number, Tensor>): Tensor {
  const mask = masks.get(length) ?? causalMask(length);
  masks.set(length, mask);
  return mask;
}

/** (T,T): 0 on and below the diagonal, the lowest float32 above, so that softmax gives exactly 0 there. */
function causalMask(length: number): Tensor {
  const mask = new Float32Array(length * length);
  for (let t = 0; t < length; t++) mask.fill(-3.4028234663852886e38, t * length + t + 1, (t + 1) * length);
  return new Tensor('float32', mask, [length, length]);
}

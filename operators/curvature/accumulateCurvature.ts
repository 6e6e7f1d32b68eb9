/** Adds what a fitting graph gives for each part of the sample to shared float64 sums, in the order of the parts. */
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { TokenWindowBatch } from '../../schemas/batches.ts';
import type { JobOperator } from '../../schemas/operators.ts';
import { openSession, type SessionSettings } from '../gradients/onnxSession.ts';
import { feedWindows, maskOf } from '../gradients/projectGradients.ts';
import type { CurvatureModel } from './curvatureModel.ts';
import { openUniform } from './sampleUniform.ts';

export interface AccumulateSettings extends SessionSettings {
  model: CurvatureModel;
}

export interface AccumulateInput {
  part: TokenWindowBatch;
  /** The part's place in the order of adding. */
  ticket: number;
  sums: SharedSums;
}

/** Shared by all workers and the main thread. */
export interface SharedSums {
  /** float64, as `CurvatureModel.lengths` says. */
  arrays: Float64Array[];
  /** One number: the ticket whose turn it is to add; `FAILED` once one of them never will. */
  turn: Int32Array;
}

const FAILED = -1;

export function openSums(lengths: number[]): SharedSums {
  return {
    arrays: lengths.map((length) => new Float64Array(new SharedArrayBuffer(8 * length))),
    turn: new Int32Array(new SharedArrayBuffer(4)),
  };
}

/** Sends home whoever waits for a turn. */
export function failSums({ turn }: SharedSums): void {
  Atomics.store(turn, 0, FAILED);
  Atomics.notify(turn, 0);
}

const accumulateCurvature: JobOperator<AccumulateSettings, AccumulateInput, null> = {
  kind: 'job',
  name: 'accumulateCurvature',
  async open({ model, ...settings }, { seed }) {
    const session = await openSession(model.path, settings);
    const uniform = openUniform(seed);
    const masks = new Map<number, Tensor>();
    return async ({ part, ticket, sums }) => {
      try {
        const outputs = await run(session, model, part, uniform, masks);
        if (waitForTurn(sums.turn, ticket)) addOutputs(outputs, model, sums, ticket);
        return null;
      } catch (error) {
        failSums(sums);
        throw error;
      }
    };
  },
};
export default accumulateCurvature;

function run(
  session: InferenceSession,
  { labels, takesPresent }: CurvatureModel,
  { windows, key }: TokenWindowBatch,
  uniform: ReturnType<typeof openUniform>,
  masks: Map<number, Tensor>,
) {
  const { feeds } = feedWindows(windows);
  const [count, length] = feeds.ids.dims;
  const present = new Float32Array(count * length);
  const draws = new Float32Array(count * length);
  windows.document.forEach((b, w) => {
    for (let t = 0; t < windows.start[w + 1] - windows.start[w]; t++) {
      present[w * length + t] = 1;
      draws[w * length + t] = uniform(key[b], t);
    }
  });
  const column = (values: Float32Array) => new Tensor('float32', values, [count * length, 1]);
  const { ids, weight } = feeds;
  return session.run({
    ids,
    weight,
    mask: maskOf(length, masks),
    ...(labels === 'sampled' ? { uniform: column(draws) } : { labels: feeds.labels }),
    ...(takesPresent ? { present: column(present) } : {}),
  });
}

/**
 * Blocks this worker until its part is next: sums in one order are the same bits for any number of workers. Parts are handed out in
 * order, so that the one waited for is always at work. False where an earlier part failed.
 */
function waitForTurn(turn: Int32Array, ticket: number): boolean {
  for (;;) {
    const at = Atomics.load(turn, 0);
    if (at === ticket) return true;
    if (at === FAILED) return false;
    Atomics.wait(turn, 0, at);
  }
}

function addOutputs(
  outputs: Awaited<ReturnType<typeof run>>,
  model: CurvatureModel,
  { arrays, turn }: SharedSums,
  ticket: number,
): void {
  for (const { name, sum, offset } of model.outputs) addTo(arrays[sum], offset, outputs[name].data as Float32Array);
  Atomics.compareExchange(turn, 0, ticket, ticket + 1);
  Atomics.notify(turn, 0);
}

/** float64 sums: a float32 sum stops growing past 2^24 equal terms. */
function addTo(sums: Float64Array, offset: number, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) sums[offset + i] += values[i];
}

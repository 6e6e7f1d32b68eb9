/** Adds what a fitting graph gives for each part of the sample to shared float64 sums, in the order of the parts; no document that gives NaN or Infinity. */
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { TokenWindowBatch } from '../../schemas/batches.ts';
import type { JobOperator } from '../../schemas/operators.ts';
import { openSession, type SessionSettings } from '../gradients/onnxSession.ts';
import { feedWindows, maskOf } from '../gradients/projectGradients.ts';
import { selectWindows } from '../tokens/selectWindows.ts';
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

/** The documents of a part that are in no sum, and how many positions they have. */
export interface LeftOut {
  documents: { key: number; id: string }[];
  positions: number;
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

const accumulateCurvature: JobOperator<AccumulateSettings, AccumulateInput, LeftOut> = {
  kind: 'job',
  name: 'accumulateCurvature',
  async open({ model, ...settings }, { seed }) {
    const session = await openSession(model.path, settings);
    const uniform = openUniform(seed);
    const masks = new Map<number, Tensor>();
    const outputsOf: OutputsOf = (part) => run(session, model, part, uniform, masks);
    return async ({ part, ticket, sums }) => {
      try {
        const outputs = await outputsOf(part);
        if (!waitForTurn(sums.turn, ticket)) return nothing;
        const leftOut = areFinite(outputs, model)
          ? addOutputs(outputs, model, sums)
          : await addFinite(outputsOf, part, model, sums);
        passTurn(sums.turn, ticket);
        return leftOut;
      } catch (error) {
        failSums(sums);
        throw error;
      }
    };
  },
};
export default accumulateCurvature;

type Outputs = Awaited<ReturnType<InferenceSession['run']>>;
type OutputsOf = (part: TokenWindowBatch) => Promise<Outputs>;
const nothing: LeftOut = { documents: [], positions: 0 };

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

function passTurn(turn: Int32Array, ticket: number): void {
  Atomics.compareExchange(turn, 0, ticket, ticket + 1);
  Atomics.notify(turn, 0);
}

function areFinite(outputs: Outputs, model: CurvatureModel): boolean {
  return model.outputs.every(({ name }) => {
    const values = outputs[name].data as Float32Array;
    // By index: `every` takes nine times as long.
    for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
    return true;
  });
}

/** One window after the other, for one document that gives NaN spoils all sums. */
async function addFinite(
  outputsOf: OutputsOf,
  part: TokenWindowBatch,
  model: CurvatureModel,
  sums: SharedSums,
): Promise<LeftOut> {
  const { document, start } = part.windows;
  const leftOut: LeftOut = { documents: [], positions: 0 };
  for (const [w, b] of document.entries()) {
    const outputs = await outputsOf(selectWindows(part, [w]));
    if (areFinite(outputs, model)) addOutputs(outputs, model, sums);
    else {
      leftOut.documents.push({ key: part.key[b], id: part.id[b] });
      leftOut.positions += start[w + 1] - start[w];
    }
  }
  return leftOut;
}

function addOutputs(outputs: Outputs, model: CurvatureModel, { arrays }: SharedSums): LeftOut {
  for (const { name, sum, offset } of model.outputs) addTo(arrays[sum], offset, outputs[name].data as Float32Array);
  return nothing;
}

/** float64 sums: a float32 sum stops growing past 2^24 equal terms. */
function addTo(sums: Float64Array, offset: number, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) sums[offset + i] += values[i];
}

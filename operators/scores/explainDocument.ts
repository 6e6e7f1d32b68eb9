/** Where in a document its influence on a query lies: by token and by layer, each summing to the score. */
import { type FileHandle, open } from 'node:fs/promises';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { TokenWindowBatch } from '../../schemas/batches.ts';
import type { JobOperator } from '../../schemas/operators.ts';
import { type Matrix, openProducts, type Products } from '../curvature/denseProducts.ts';
import { openSession, type SessionSettings } from '../gradients/onnxSession.ts';
import { feedWindows, maskOf } from '../gradients/projectGradients.ts';

/** One layer's block of the query cache: (Q, k_o·k_i) float32 at `offset` of the file. */
export interface CoreBlock {
  outputs: number;
  inputs: number;
  offset: number;
}

export interface ExplainSettings extends SessionSettings {
  /** What `writeTokenModel` gave. */
  path: string;
  /** The query cache and its layers. */
  cache: string;
  layers: CoreBlock[];
  /** (Q) ‖P(∇f_q)‖ where scores are cosines, null where they are dot products. */
  queryNorms: number[] | null;
}

/** One document's windows, and the queries it is ranked for. */
export interface ExplainTask {
  /** Each a batch of one window. */
  windows: TokenWindowBatch[];
  queries: number[];
}

/** For each query of the task, in its order. */
export interface Explanation {
  /** (T) s_t = Σ_modules δ_tᵀ P_q a_t: what position t, which reads token t and predicts the next, adds to the score. */
  tokens: Float64Array;
  /** (M) */
  modules: Float64Array;
}

const explainDocument: JobOperator<ExplainSettings, ExplainTask, Explanation[]> = {
  kind: 'job',
  name: 'explainDocument',
  async open(settings) {
    const session = await openSession(settings.path, settings);
    const products = await openProducts(settings.threadsPerWorker);
    const masks = new Map<number, Tensor>();
    return async ({ windows, queries }) => {
      const cores = await open(settings.cache, 'r');
      try {
        const parts: Explanation[][] = [];
        for (const window of windows)
          parts.push(await explainWindow(session, products, masks, settings, cores, window, queries));
        return queries.map((_, i) => joined(parts.map((part) => part[i])));
      } finally {
        await cores.close();
      }
    };
  },
};
export default explainDocument;

async function explainWindow(
  session: InferenceSession,
  products: Products,
  masks: Map<number, Tensor>,
  { layers, queryNorms }: ExplainSettings,
  cores: FileHandle,
  { windows }: TokenWindowBatch,
  queries: number[],
): Promise<Explanation[]> {
  const { feeds } = feedWindows(windows);
  const length = feeds.ids.dims[1];
  const outputs = await session.run({ ...feeds, mask: maskOf(length, masks) });
  const explanations = queries.map(
    (): Explanation => ({ tokens: new Float64Array(length), modules: new Float64Array(layers.length) }),
  );
  for (const [m, layer] of layers.entries()) {
    const a = matrixOf(outputs[`inputs_${m}`]);
    const delta = matrixOf(outputs[`outputs_${m}`]);
    for (const [i, q] of queries.entries()) {
      const met = await products.multiply(delta, await readCore(cores, layer, q));
      addRows(explanations[i], m, met, a);
    }
  }
  if (queryNorms) {
    const norm = Math.sqrt((outputs.squaredNorm.data as Float32Array)[0]);
    for (const [i, explanation] of explanations.entries()) divide(explanation, norm * queryNorms[queries[i]]);
  }
  return explanations;
}

/** s_t = ⟨(δ P_o C_q)_t, (a P_i)_t⟩ */
function addRows({ tokens, modules }: Explanation, m: number, met: Matrix, a: Matrix): void {
  const { rows, columns } = a;
  for (let t = 0; t < rows; t++) {
    let sum = 0;
    for (let i = t * columns; i < (t + 1) * columns; i++) sum += met.values[i] * a.values[i];
    tokens[t] += sum;
    modules[m] += sum;
  }
}

function divide({ tokens, modules }: Explanation, norm: number): void {
  for (const values of [tokens, modules]) for (let i = 0; i < values.length; i++) values[i] /= norm > 0 ? norm : 1;
}

function matrixOf(tensor: InferenceSession.OnnxValueMapType[string]): Matrix {
  const { dims, data } = tensor as Tensor;
  return { rows: dims[0], columns: dims[1], values: data as Float32Array };
}

async function readCore(file: FileHandle, { outputs, inputs, offset }: CoreBlock, q: number): Promise<Matrix> {
  const values = new Float32Array(outputs * inputs);
  const { bytesRead } = await file.read(
    new Uint8Array(values.buffer),
    0,
    values.byteLength,
    offset + q * values.byteLength,
  );
  if (bytesRead !== values.byteLength)
    throw new Error(
      `explainDocument expected ${values.byteLength} bytes of query ${q} in the query cache, found ${bytesRead}`,
    );
  return { rows: outputs, columns: inputs, values };
}

/** A document's windows one behind the other. */
function joined(parts: Explanation[]): Explanation {
  const modules = new Float64Array(parts[0].modules.length);
  for (const part of parts) for (const [m, value] of part.modules.entries()) modules[m] += value;
  return { tokens: Float64Array.from(parts.flatMap(({ tokens }) => Array.from(tokens))), modules };
}

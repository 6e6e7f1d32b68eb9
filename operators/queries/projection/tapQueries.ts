/** Runs the tapped graph on queries and writes every token's a and δ to the taps file. */
import { open } from 'node:fs/promises';
import type { Tensor } from 'onnxruntime-node';
import type { TokenWindowBatch } from '../../../schemas/batches.ts';
import type { JobOperator } from '../../../schemas/operators.ts';
import { inputSide, outputSide, sidesOf } from '../../curvature/sides.ts';
import { namedWrite } from '../../files/wholeFile.ts';
import type { ModelFolder } from '../../gradients/modelFolder.ts';
import { openSession, type SessionSettings } from '../../gradients/onnxSession.ts';
import { feedWindows, maskOf } from '../../gradients/projectGradients.ts';
import type { Module } from '../../gradients/projections.ts';
import { type GraphSettings, tapGraph, writeGraph } from '../../gradients/tappedGraph.ts';
import { type TapsFile, writeTapRows } from './tapsFile.ts';

/** Writes the graph of `loss` and of each side's rows (B·T,n), `rows_0`, `rows_1` … in the order of `sidesOf(modules)`. */
export async function writeTapModel(
  folder: ModelFolder,
  settings: GraphSettings,
  modules: Module[],
  cache: string,
): Promise<string> {
  const { contextTokens, batchTokens } = settings;
  const { graph, taps } = tapGraph(folder, settings, modules);
  const rows = new Map(
    taps.flatMap(({ module, a, delta }) => [
      [inputSide(module), a],
      [outputSide(module), delta],
    ]),
  );
  sidesOf(modules).forEach(({ name }, s) => {
    graph.output(`rows_${s}`, rows.get(name)!);
  });
  return writeGraph(folder, cache, 'taps', { contextTokens, batchTokens, modules }, graph);
}

export interface TapQueriesSettings extends SessionSettings {
  /** What `writeTapModel` gave. */
  path: string;
  taps: TapsFile;
}

/** (W) The loss of each query, nats, and how many labels carried it. `key` of the batch is the query's place. */
export interface QueryLosses {
  key: Float64Array;
  loss: Float64Array;
  tokens: Uint32Array;
}

const tapQueries: JobOperator<TapQueriesSettings, TokenWindowBatch, QueryLosses> = {
  kind: 'job',
  name: 'tapQueries',
  async open({ path, taps, ...settings }) {
    const session = await openSession(path, settings);
    const masks = new Map<number, Tensor>();
    return async ({ windows, key }) => {
      const { feeds, tokens } = feedWindows(windows);
      const length = feeds.ids.dims[1];
      const outputs = await session.run({ ...feeds, mask: maskOf(length, masks) });
      const rows = taps.sides.map((_, s) => outputs[`rows_${s}`].data as Float32Array);
      await namedWrite(taps.path, () => writeBatch(taps, windows, key, length, rows));
      const loss = Float64Array.from(outputs.loss.data as Float32Array);
      return { key: Float64Array.from(windows.document, (b) => key[b]), loss, tokens };
    };
  },
};
export default tapQueries;

/** `rows` are each side's (B·T,width), T = `length`: those of padding are left out. */
async function writeBatch(
  taps: TapsFile,
  { document, start }: TokenWindowBatch['windows'],
  key: Float64Array,
  length: number,
  rows: Float32Array[],
): Promise<void> {
  const file = await open(taps.path, 'r+');
  try {
    for (const [s, side] of taps.sides.entries())
      for (const [w, b] of document.entries()) {
        const own = start[w + 1] - start[w];
        const from = w * length * side.width;
        await writeTapRows(file, side, taps.rowStart[key[b]], rows[s].subarray(from, from + own * side.width));
      }
  } finally {
    await file.close();
  }
}

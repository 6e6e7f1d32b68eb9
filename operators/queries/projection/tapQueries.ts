/** Runs the tapped graph on queries and writes every token's a and δ to the taps file. */
import { open } from 'node:fs/promises';
import type { Tensor } from 'onnxruntime-node';
import type { TokenWindowBatch } from '../../../schemas/batches.ts';
import type { JobOperator } from '../../../schemas/operators.ts';
import { inputSide, outputSide, sidesOf } from '../../curvature/sides.ts';
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
      const file = await open(taps.path, 'r+');
      try {
        for (const [s, side] of taps.sides.entries()) {
          const rows = outputs[`rows_${s}`].data as Float32Array;
          for (const [w, b] of windows.document.entries()) {
            const own = windows.start[w + 1] - windows.start[w];
            const from = w * length * side.width;
            await writeTapRows(file, side, taps.rowStart[key[b]], rows.subarray(from, from + own * side.width));
          }
        }
      } finally {
        await file.close();
      }
      const loss = Float64Array.from(outputs.loss.data as Float32Array);
      return { key: Float64Array.from(windows.document, (b) => key[b]), loss, tokens };
    };
  },
};
export default tapQueries;

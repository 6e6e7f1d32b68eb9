/** What projecting costs beside forward and backward alone: gradient graphs of all MLP layers of SmolLM2-135M, run in turns. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { openProducts, type Products } from '../operators/curvature/denseProducts.ts';
import { writeGradientModel } from '../operators/gradients/gradientModel.ts';
import { type ModelFolder, readModelFolder } from '../operators/gradients/modelFolder.ts';
import { openSession } from '../operators/gradients/onnxSession.ts';
import { feedWindows, maskOf } from '../operators/gradients/projectGradients.ts';
import { drawProjection, type Module, type ModuleProjection } from '../operators/gradients/projections.ts';
import { coverModules, tapGraph, writeGraph } from '../operators/gradients/tappedGraph.ts';
import { projectionCost, type Widths } from '../operators/queries/projection/allotWidths.ts';
import { loadTokenizer } from '../operators/tokens/loadTokenizer.ts';
import { windowBatch } from '../test/windowBatch.ts';
import { type BenchPaths, benchFolder } from './benchFolder.ts';
import { readTexts } from './readTexts.ts';
import { median } from './report.ts';

const settings = { contextTokens: 512, batchTokens: 512 };

export interface TimedProjections {
  /** Of all layers, with the widths of the nearest layer of the same kind among `measured`. */
  measure(measured: ({ name: string } & Widths)[]): Promise<ProjectionTimes>;
  baseTokensPerSecond(): number;
}

export interface ProjectionTimes {
  /** Multiplications and additions a token; bytes of query gradient a query. */
  flop: number;
  bytes: number;
  /** Median over windows of seconds with the projection over seconds without, less 1. */
  added: number;
  /** Seconds that joining one window with `queries` queries takes, over seconds of forward and backward. */
  join: number;
  tokensPerSecond: number;
}

export async function openTimedProjections(
  { model, full }: BenchPaths,
  count: number,
  queries: number,
): Promise<TimedProjections> {
  const folder = await readModelFolder(model);
  const { modules } = coverModules(folder, { ...settings, modules: ['*.mlp.*'] });
  const tokenizer = await loadTokenizer(model);
  const cache = join(benchFolder, 'cache');
  await mkdir(cache, { recursive: true });
  const windows = (await readTexts(full, count + 1)).map((text) => tokenizer.encode(text).slice(0, 512));
  const base = await openBase(folder, modules, cache);
  const baseSeconds: number[] = [];
  const products = await openProducts(1);
  return {
    async measure(measured) {
      const widths = modules.map((module) => nearest(module.name, measured));
      const projections = modules.map((module, m) => drawnWithWidths(module, widths[m]));
      const { path } = await writeGradientModel(folder, settings, modules, projections, cache);
      const session = await openSession(path, { threadsPerWorker: 1, prepack: true });
      const turns: { without: number; with: number }[] = [];
      for (const window of windows) turns.push({ without: await base(window), with: await secondsOf(session, window) });
      await session.release();
      turns.shift(); // the first call makes memory ready
      baseSeconds.push(...turns.map((turn) => turn.without));
      return {
        flop: modules.reduce((sum, module, m) => sum + projectionCost(module, widths[m]), 0),
        bytes: 4 * widths.reduce((sum, { outputs, inputs }) => sum + outputs * inputs, 0),
        added: median(turns.map((turn) => turn.with / turn.without)) - 1,
        join: (await joinSeconds(products, queries, widths)) / median(turns.map((turn) => turn.without)),
        tokensPerSecond: 512 / median(turns.map((turn) => turn.with)),
      };
    },
    baseTokensPerSecond: () => 512 / median(baseSeconds),
  };
}

/** Seconds of loss and δ of the lowest layer: all of forward and backward is needed for it, and nothing is projected. */
export async function openBase(
  folder: ModelFolder,
  modules: Module[],
  cache: string,
): Promise<(ids: number[]) => Promise<number>> {
  const { graph, taps } = tapGraph(folder, settings, modules);
  for (const [m, { delta }] of taps.slice(0, 3).entries()) graph.output(`lowest_${m}`, graph.sumLast(delta));
  const path = await writeGraph(folder, cache, 'base', { bench: 'projectionTimes', modules }, graph);
  const session = await openSession(path, { threadsPerWorker: 1, prepack: true });
  return (ids) => secondsOf(session, ids);
}

const layerOf = (name: string): number => Number(/\.(\d+)\./.exec(name)?.[1]);
const kindOf = (name: string): string => name.replace(/\.\d+\./, '.*.');

function nearest(name: string, measured: ({ name: string } & Widths)[]): Widths {
  const kind = measured.filter((layer) => kindOf(layer.name) === kindOf(name));
  const far = (layer: { name: string }) => Math.abs(layerOf(layer.name) - layerOf(name));
  return kind.reduce((a, b) => (far(b) < far(a) ? b : a));
}

/** Time does not depend on the numbers. */
function drawnWithWidths(module: Module, { outputs, inputs }: Widths): ModuleProjection {
  const side = (k: number) => drawProjection({ kind: 'random', k, distribution: 'rademacher' }, 0, module);
  return { outputs: side(outputs).outputs, inputs: side(inputs).inputs };
}

/** A different block for each of six layers in turn, so that none is still in the processor's cache. */
const BLOCKS = 6;

async function joinSeconds(products: Products, queries: number, widths: Widths[]): Promise<number> {
  const numbers = widths.map(({ outputs, inputs }) => outputs * inputs);
  const most = Math.max(...numbers);
  const blocks = Array.from({ length: BLOCKS }, () => new Float32Array(queries * most).fill(1));
  const gradient = new Float32Array(most).fill(1);
  const join = async (columns: number, m: number) => {
    const window = { rows: 1, columns, values: gradient.subarray(0, columns) };
    const cores = { rows: queries, columns, values: blocks[m % BLOCKS].subarray(0, queries * columns) };
    await products.multiply(window, cores, { b: true });
  };
  await join(numbers[0], 0);
  const begun = performance.now();
  for (const [m, columns] of numbers.entries()) await join(columns, m);
  return (performance.now() - begun) / 1000;
}

async function secondsOf(session: InferenceSession, ids: number[]): Promise<number> {
  const { feeds } = feedWindows(windowBatch([{ ids }]).windows);
  const mask: Tensor = maskOf(ids.length, new Map());
  const begun = performance.now();
  await session.run({ ...feeds, mask });
  return (performance.now() - begun) / 1000;
}

/** The graphs of the two fitting passes: covariances of every side, then squared gradients in their eigenbasis. */
import type { External, Tensor, TensorGraph } from '../gradients/graph/tensorGraph.ts';
import type { ModelFolder } from '../gradients/modelFolder.ts';
import type { Module } from '../gradients/projections.ts';
import {
  type ExtraWeights,
  type GraphSettings,
  type TappedGraph,
  tapGraph,
  writeGraph,
} from '../gradients/tappedGraph.ts';
import { blockBounds, inputSide, outputSide, type Side, sumsLength, tilesOf } from './sides.ts';

export interface CurvatureGraphSettings extends GraphSettings {
  labels: 'sampled' | 'empirical';
  /** b: diagonal blocks of each covariance. */
  blocks: number;
}

/** A graph whose outputs are added up: output `name` (float32) is added to accumulator `sum` from `offset` on. */
export interface CurvatureModel {
  path: string;
  labels: CurvatureGraphSettings['labels'];
  /** Whether the graph takes `present` (B·T,1): 1 at tokens, 0 at padding. */
  takesPresent: boolean;
  /** Lengths of the accumulators. */
  lengths: number[];
  outputs: { name: string; sum: number; offset: number }[];
}

/** Writes the graph of Σ_t a_t a_tᵀ and Σ_t δ_t δ_tᵀ, one accumulator for each of `sides`, in tiles on and above the diagonal. */
export async function writeCovarianceModel(
  folder: ModelFolder,
  settings: CurvatureGraphSettings,
  sides: Side[],
  cache: string,
): Promise<CurvatureModel> {
  const { labels, blocks } = settings;
  const modules = [...new Set(sides.map(({ owner }) => owner))];
  const { graph, taps } = tapWithLabels(folder, settings, modules);
  const present = graph.input('present', ['B*T', 1]);
  const rows = new Map<string, { left: Tensor; right: Tensor }>();
  for (const { module, a, delta } of taps) {
    // δ is 0 at padding; a is not.
    if (!rows.has(inputSide(module))) rows.set(inputSide(module), { left: graph.mul(a, present), right: a });
    rows.set(outputSide(module), { left: delta, right: delta });
  }
  const outputs = sides.flatMap(({ name, width }, sum) =>
    tilesOf(width, blocks).map((tile, t) => {
      const { left, right } = rows.get(name)!;
      const block = graph.matmul(
        columns(graph, left, tile.rowStart, tile.rowEnd),
        columns(graph, right, tile.columnStart, tile.columnEnd),
        { transA: true },
      );
      const output = `covariance_${sum}_${t}`;
      graph.output(output, block);
      return { name: output, sum, offset: tile.offset };
    }),
  );
  const key = { pass: 'covariances', ...graphKey(settings), sides };
  const path = await writeGraph(folder, cache, 'covariances', key, graph);
  const lengths = sides.map(({ width }) => sumsLength(width, blocks));
  return { path, labels, takesPresent: true, lengths, outputs };
}

/** All of x where the columns are all there are: a slice would copy. */
function columns(graph: TensorGraph, x: Tensor, columnStart: number, columnEnd: number): Tensor {
  return columnStart === 0 && columnEnd === x.shape[1] ? x : graph.columns(x, columnStart, columnEnd);
}

/**
 * Writes the graph of Σ_doc (Q_Sᵀ ∇L_doc Q_A)² of each module, tokens summed inside the square. `eigenvectors` are weights named after
 * the side and the block; null leaves the gradient as it is, which makes the diagonal of the Fisher matrix.
 */
export async function writeSquaresModel(
  folder: ModelFolder,
  settings: CurvatureGraphSettings,
  modules: Module[],
  eigenvectors: ExtraWeights | null,
  cache: string,
): Promise<CurvatureModel> {
  const { labels, blocks } = settings;
  const { graph, taps } = tapWithLabels(folder, settings, modules);
  const rotated = new Map<string, Tensor>();
  const side = (x: Tensor, name: string): Tensor => {
    const known = rotated.get(name);
    if (known) return known;
    const y = eigenvectors ? rotate(graph, x, name, blocks, eigenvectors.layout) : x;
    const byDocument = graph.reshape(y, ['B', 'T', y.shape[1]]);
    rotated.set(name, byDocument);
    return byDocument;
  };
  taps.forEach(({ module, a, delta }, m) => {
    const gradient = graph.matmul(side(delta, outputSide(module)), side(a, inputSide(module)), { transA: true });
    graph.output(`squares_${m}`, graph.sumSquaresFirst(gradient));
  });
  const key = { pass: 'squares', ...graphKey(settings), modules, eigenvectors: eigenvectors?.file ?? null };
  const path = await writeGraph(folder, cache, 'squares', key, graph, eigenvectors ?? undefined);
  return {
    path,
    labels,
    takesPresent: false,
    lengths: modules.map(({ inputs, outputs }) => inputs * outputs),
    outputs: modules.map((_, m) => ({ name: `squares_${m}`, sum: m, offset: 0 })),
  };
}

function tapWithLabels(folder: ModelFolder, settings: CurvatureGraphSettings, modules: Module[]): TappedGraph {
  return tapGraph(folder, settings, modules, settings.labels === 'sampled' ? 'sampled' : 'given');
}

function graphKey({ contextTokens, batchTokens, labels, blocks }: CurvatureGraphSettings) {
  return { contextTokens, batchTokens, labels, blocks };
}

/** The weight that holds the eigenvectors of a side's block. */
export function eigenvectorName(side: string, block: number): string {
  return `${side}.eigenvectors.${block}`;
}

/** x Q, block by block: Q is block-diagonal. */
function rotate(graph: TensorGraph, x: Tensor, side: string, blocks: number, layout: Map<string, External>): Tensor {
  const parts = blockBounds(x.shape[1] as number, blocks).map(([start, end], block) => {
    const name = eigenvectorName(side, block);
    const q = graph.weight(name, [end - start, end - start], layout.get(name)!);
    return graph.matmul(columns(graph, x, start, end), q);
  });
  return parts.length === 1 ? parts[0] : graph.beside(parts);
}

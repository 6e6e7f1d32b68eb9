/** Turns a model folder into an ONNX model on disk whose outputs are the loss and the projected gradients of the tapped layers. */
import type { External, Tensor } from './graph/tensorGraph.ts';
import { product } from './graph/tensorGraph.ts';
import type { ModelFolder } from './modelFolder.ts';
import { type Module, type ModuleProjection, type ProjectionMatrix, projectedWidth } from './projections.ts';
import { type GraphSettings, layOutExtra, type TappedGraph, tapGraph, writeGraph } from './tappedGraph.ts';

/** A gradient model on disk: plain data, which a worker opens. */
export interface GradientModel {
  /** The .onnx file. */
  path: string;
  modules: Module[];
  /** (M) D_m, the width of each module's projected gradient. */
  widths: number[];
  /** Whether the model also gives each document's squared gradient norm, which cosine scores divide by. */
  norms: boolean;
}

/**
 * Writes the gradient model into the cache folder, unless it is there.
 * Throws InputError for a model that is not supported or whose tensors do not fit its config.json.
 */
export async function writeGradientModel(
  folder: ModelFolder,
  settings: GraphSettings,
  modules: Module[],
  projections: ModuleProjection[],
  cache: string,
  norms = false,
): Promise<GradientModel> {
  const path = await writeProjected('gradients', folder, settings, modules, projections, cache, norms);
  return { path, modules, widths: modules.map((module, m) => projectedWidth(module, projections[m])), norms };
}

/**
 * Writes the model whose outputs are each token's own part: `inputs_m` (B·T,k_i) = a P_i and `outputs_m` (B·T,k_o) = δ P_o, of which
 * `projected_m` is the sum of outer products. Throws as `writeGradientModel` does.
 */
export async function writeTokenModel(
  folder: ModelFolder,
  settings: GraphSettings,
  modules: Module[],
  projections: ModuleProjection[],
  cache: string,
  norms = false,
): Promise<string> {
  return writeProjected('tokens', folder, settings, modules, projections, cache, norms);
}

const outputsOf = { gradients: addProjected, tokens: addTokens };

async function writeProjected(
  name: keyof typeof outputsOf,
  folder: ModelFolder,
  settings: GraphSettings,
  modules: Module[],
  projections: ModuleProjection[],
  cache: string,
  norms: boolean,
): Promise<string> {
  const { contextTokens, batchTokens } = settings;
  const extra = layOutExtra('projection', projectionArrays(modules, projections));
  const tapped = tapGraph(folder, settings, modules);
  outputsOf[name](tapped, projections, extra.layout);
  if (norms) addSquaredNorm(tapped);
  const key = { contextTokens, batchTokens, modules, digests: extra.digests, norms };
  return writeGraph(folder, cache, name, key, tapped.graph, extra);
}

/** Adds for module m the output `projected_m` (B,D_m) = (δ P_o)ᵀ (a P_i), summed over the document's tokens. */
function addProjected(tapped: TappedGraph, projections: ModuleProjection[], layout: Map<string, External>): void {
  const { graph } = tapped;
  const byDocument = (x: Tensor): Tensor => graph.reshape(x, ['B', 'T', x.shape[1]]);
  tokenSides(tapped, projections, layout).forEach(({ inputs, outputs }, m) => {
    const gradient = graph.matmul(byDocument(outputs), byDocument(inputs), { transA: true });
    graph.output(`projected_${m}`, graph.reshape(gradient, ['B', product(gradient.shape.slice(1))]));
  });
}

function addTokens(tapped: TappedGraph, projections: ModuleProjection[], layout: Map<string, External>): void {
  tokenSides(tapped, projections, layout).forEach(({ inputs, outputs }, m) => {
    tapped.graph.output(`inputs_${m}`, inputs);
    tapped.graph.output(`outputs_${m}`, outputs);
  });
}

/** a P_i and δ P_o of each module. */
function tokenSides({ graph, taps }: TappedGraph, projections: ModuleProjection[], layout: Map<string, External>) {
  const side = (x: Tensor, name: string, matrix: ProjectionMatrix | null): Tensor =>
    matrix ? graph.matmul(x, graph.weight(name, [matrix.rows, matrix.k], layout.get(name)!)) : x;
  return taps.map(({ module: { name }, a, delta }, m) => ({
    inputs: side(a, `${name}.inputs`, projections[m].inputs),
    outputs: side(delta, `${name}.outputs`, projections[m].outputs),
  }));
}

/**
 * Adds the output `squaredNorm` (B,1): Σ_modules ‖Σ_t δ_t a_tᵀ‖² = Σ_tt' (δ_t·δ_t')(a_t·a_t'), so that the weight gradient is never
 * formed.
 */
function addSquaredNorm({ graph, taps }: TappedGraph): void {
  const gram = (x: Tensor): Tensor => {
    const rows = graph.reshape(x, ['B', 'T', x.shape[1]]);
    return graph.matmul(rows, rows, { transB: true });
  };
  const inputs = new Map<Tensor, Tensor>();
  const parts = taps.map(({ a, delta }) => {
    const aGram = inputs.get(a) ?? gram(a);
    inputs.set(a, aGram);
    return graph.sumLast(graph.reshape(graph.sumLast(graph.mul(gram(delta), aGram)), ['B', 'T']));
  });
  graph.output(
    'squaredNorm',
    parts.reduce((sum, part) => graph.add(sum, part)),
  );
}

function projectionArrays(modules: Module[], projections: ModuleProjection[]): Map<string, Float32Array> {
  const arrays = new Map<string, Float32Array>();
  modules.forEach(({ name }, m) => {
    for (const side of ['outputs', 'inputs'] as const) {
      const matrix = projections[m][side];
      if (matrix) arrays.set(`${name}.${side}`, matrix.values);
    }
  });
  return arrays;
}

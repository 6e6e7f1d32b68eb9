/** Turns a model folder into an ONNX model on disk whose outputs are the loss and the projected gradients of the tapped layers. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../schemas/errors.ts';
import { fingerprint } from '../../schemas/fingerprint.ts';
import { findArchitecture } from './architectures/findArchitecture.ts';
import { ForwardGraph, type Linear } from './architectures/forwardGraph.ts';
import { ModelConfig } from './architectures/modelConfig.ts';
import { differentiate } from './graph/differentiate.ts';
import { lowerToOnnx } from './graph/lowerToOnnx.ts';
import { product, type Tensor, type TensorGraph } from './graph/tensorGraph.ts';
import { type ModelFolder, matchModules } from './modelFolder.ts';
import { type Module, type ModuleProjection, type ProjectionMatrix, projectedWidth } from './projections.ts';
import { layOutModel, layOutWeights, writeArrays, writeModelWeights, writeOnce } from './weightsFile.ts';

/** Raised when the graphs that this code writes change, so that a cached one is not used. */
const GRAPH_VERSION = 1;

export interface GradientModelSettings {
  /** Globs over the linear layers by their Hugging Face names. */
  modules: string[];
  /** Longest window, tokens. */
  contextTokens: number;
  /** Padded tokens in one call, at most; a single longer window is a call of its own. */
  batchTokens: number;
}

/** A gradient model on disk: plain data, which a worker opens. */
export interface GradientModel {
  /** The .onnx file. */
  path: string;
  modules: Module[];
  /** (M) D_m, the width of each module's projected gradient. */
  widths: number[];
}

/** The linear layers of a model, which of them are tapped, and the parameters of both. */
export interface Coverage {
  modules: Module[];
  untracked: string[];
  trackedParameters: number;
  parameters: number;
}

/** The linear layers that `modules` selects, in the model's order, and what is left out. Throws InputError where none match. */
export function coverModules(folder: ModelFolder, settings: GradientModelSettings): Coverage {
  const { linears } = buildForward(folder, settings);
  const names = new Set(
    matchModules(
      settings.modules,
      linears.map(({ name }) => name),
    ),
  );
  const modules = linears.filter(({ name }) => names.has(name)).map(toModule);
  const elements = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
  return {
    modules,
    untracked: linears.filter(({ name }) => !names.has(name)).map(({ name }) => name),
    trackedParameters: modules.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0),
    parameters: [...folder.tensors.values()].reduce((sum, { shape }) => sum + elements(shape), 0),
  };
}

/**
 * Writes the gradient model into the cache folder, unless it is there. One weights file serves every graph of the model.
 * Throws InputError for a model that is not supported or whose tensors do not fit its config.json.
 */
export async function writeGradientModel(
  folder: ModelFolder,
  settings: GradientModelSettings,
  modules: Module[],
  projections: ModuleProjection[],
  cache: string,
): Promise<GradientModel> {
  const home = join(cache, `model-${(await folder.fingerprint()).slice(0, 16)}`);
  await mkdir(home, { recursive: true });
  const forward = buildForward(folder, settings);
  const widths = modules.map((module, m) => projectedWidth(module, projections[m]));

  const matrices = projectionArrays(modules, projections);
  const digests = [...matrices].map(([name, values]) => [name, digest(values)]);
  const key = fingerprint({ version: GRAPH_VERSION, settings, modules, digests });
  const projectionFile = `projection-${key.slice(0, 16)}.bin`;
  const layout = layOutWeights(
    projectionFile,
    [...matrices].map(([name, values]) => [name, values.length]),
  );

  await writeModelWeights(join(home, WEIGHTS_FILE), layOutModel(WEIGHTS_FILE, folder.tensors), folder.tensors);
  if (matrices.size > 0) await writeArrays(join(home, projectionFile), layout, matrices);
  addGradients(forward, settings, modules, projections, layout);
  const path = join(home, `gradients-${key.slice(0, 16)}.onnx`);
  await writeOnce(path, [lowerToOnnx(forward.graph)]);
  return { path, modules, widths };
}

const WEIGHTS_FILE = 'weights.bin';

type Forward = { graph: TensorGraph; linears: Linear[]; model: ForwardGraph; hidden: Tensor; head: Tensor };

function buildForward(folder: ModelFolder, { contextTokens }: GradientModelSettings): Forward {
  const config = new ModelConfig(folder.config, `${folder.path}/config.json`);
  const longest = config.integer('max_position_embeddings', contextTokens);
  if (contextTokens > longest)
    throw new InputError(
      `contextTokens: expected at most the model's max_position_embeddings of ${longest}, got ${contextTokens}`,
    );
  const architecture = findArchitecture(folder);
  const model = new ForwardGraph(config, folder.tensors, layOutModel(WEIGHTS_FILE, folder.tensors), contextTokens);
  const { hidden, head } = architecture.build(model);
  return { graph: model.graph, linears: model.linears, model, hidden, head };
}

function toModule({ name, inputs, outputs, bias }: Linear): Module {
  return { name, inputs: inputs + Number(bias), outputs };
}

/**
 * Adds the outputs: `loss` (B), nats, and for module m `projected_m` (B,D_m) = (δ P_o)ᵀ (a P_i) summed over the document's tokens.
 * `labels` (B·T) and `weight` (B·T,1) are inputs: 1 where a label carries loss, 0 at padding.
 */
function addGradients(
  { graph, linears, hidden, head }: Forward,
  settings: GradientModelSettings,
  modules: Module[],
  projections: ModuleProjection[],
  layout: ReturnType<typeof layOutWeights>,
): void {
  const labels = graph.input('labels', ['B*T'], 'int64');
  const weight = graph.input('weight', ['B*T', 1]);
  const maxRows = Math.max(settings.batchTokens, settings.contextTokens);
  const losses = graph.crossEntropy(hidden, head, labels, maxRows);
  graph.output('loss', graph.sumLast(graph.reshape(graph.mul(losses, weight), ['B', 'T'])));

  const tapped = modules.map(({ name }) => linears.find((linear) => linear.name === name) as Linear);
  const deltas = differentiate(
    graph,
    losses,
    weight,
    tapped.map(({ output }) => output),
  );
  const side = (x: Tensor, name: string, matrix: ProjectionMatrix | null): Tensor => {
    const kept = matrix ? graph.matmul(x, graph.weight(name, [matrix.rows, matrix.k], layout.get(name)!)) : x;
    return graph.reshape(kept, ['B', 'T', kept.shape[1]]);
  };
  tapped.forEach(({ name, input, bias }, m) => {
    const a = side(bias ? graph.appendOnes(input) : input, `${name}.inputs`, projections[m].inputs);
    const delta = side(deltas[m], `${name}.outputs`, projections[m].outputs);
    const gradient = graph.matmul(delta, a, { transA: true });
    graph.output(`projected_${m}`, graph.reshape(gradient, ['B', product(gradient.shape.slice(1))]));
  });
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

function digest(values: Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');
}

/** The graph of a model with its linear layers tapped: forward, loss, and the backward pass down to the lowest tap. */
import { join } from 'node:path';
import { InputError } from '../../schemas/errors.ts';
import { fingerprint } from '../../schemas/fingerprint.ts';
import { makeFolder } from '../files/wholeFile.ts';
import { findArchitecture } from './architectures/findArchitecture.ts';
import { type CachedHeads, ForwardGraph, type Linear, type Reading } from './architectures/forwardGraph.ts';
import { ModelConfig } from './architectures/modelConfig.ts';
import { differentiate } from './graph/differentiate.ts';
import { lowerToOnnx } from './graph/lowerToOnnx.ts';
import { writeOnnx } from './graph/onnxFile.ts';
import type { External, Tensor, TensorGraph } from './graph/tensorGraph.ts';
import { type ModelFolder, matchModules } from './modelFolder.ts';
import type { Module } from './projections.ts';
import { digestsOf, layOutModel, layOutWeights, writeArrays, writeModelWeights } from './weightsFile.ts';

/** Raised when the graphs that this code writes change, so that a cached one is not used. */
const GRAPH_VERSION = 3;

export interface GraphSettings {
  /** Longest window, tokens. */
  contextTokens: number;
  /** Padded tokens in one call, at most; a single longer window is a call of its own. */
  batchTokens: number;
}

export interface CoverageSettings extends GraphSettings {
  /** Globs over the linear layers by their Hugging Face names. */
  modules: string[];
}

/** The linear layers of a model, which of them are tapped, and the parameters of both. */
export interface Coverage {
  modules: Module[];
  untracked: string[];
  trackedParameters: number;
  parameters: number;
}

/** The linear layers that `modules` selects, in the model's order, and what is left out. Throws InputError where none match. */
export function coverModules(folder: ModelFolder, settings: CoverageSettings): Coverage {
  const { linears } = buildForward(folder, settings);
  const names = new Set(
    matchModules(
      settings.modules,
      linears.map(({ name }) => name),
    ),
  );
  const tracked = linears.filter(({ name }) => names.has(name));
  const modules = tracked.map((linear) => toModule(linear, tracked));
  const elements = (shape: number[]) => shape.reduce((a, b) => a * b, 1);
  return {
    modules,
    untracked: linears.filter(({ name }) => !names.has(name)).map(({ name }) => name),
    trackedParameters: modules.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0),
    parameters: [...folder.tensors.values()].reduce((sum, { shape }) => sum + elements(shape), 0),
  };
}

/** Layers that read the same input, such as gate and up, share it: it is named after the first of them that is tracked. */
function toModule({ name, input, inputs, outputs, bias }: Linear, tracked: Linear[]): Module {
  const first = tracked.find((other) => other.input === input && other.bias === bias);
  return { name, inputs: inputs + Number(bias), outputs, inputOf: first?.name ?? name };
}

/** A tapped linear layer in the graph: its input a (B·T,I), with the column of ones where it has a bias, and δ (B·T,O). */
export interface Tap {
  module: Module;
  a: Tensor;
  delta: Tensor;
}

export interface TappedGraph {
  graph: TensorGraph;
  taps: Tap[];
}

/**
 * Forward and backward to the modules' taps. `labels` (B·T) and `weight` (B·T,1) are inputs: 1 where a label carries loss, 0 at padding.
 * Given labels make the output `loss` (B), nats. With sampled ones the input `uniform` (B·T,1) takes the place of `labels`: numbers in
 * [0, 1) at which the model's own distribution is inverted.
 */
export function tapGraph(
  folder: ModelFolder,
  settings: GraphSettings,
  modules: Module[],
  labels: 'given' | 'sampled' = 'given',
): TappedGraph {
  const { graph, linears, hidden, head } = buildForward(folder, settings);
  const weight = graph.input('weight', ['B*T', 1]);
  const maxRows = Math.max(settings.batchTokens, settings.contextTokens);
  const losses =
    labels === 'given'
      ? graph.crossEntropy(hidden, head, graph.input('labels', ['B*T'], 'int64'), maxRows)
      : graph.sampledCrossEntropy(hidden, head, graph.input('uniform', ['B*T', 1]), maxRows);
  if (labels === 'given') graph.output('loss', graph.sumLast(graph.reshape(graph.mul(losses, weight), ['B', 'T'])));
  const tapped = modules.map(({ name }) => linears.find((linear) => linear.name === name) as Linear);
  const deltas = differentiate(
    graph,
    losses,
    weight,
    tapped.map(({ output }) => output),
  );
  const inputs = new Map<string, Tensor>();
  const inputOf = ({ inputOf }: Module, { input, bias }: Linear): Tensor => {
    const a = inputs.get(inputOf) ?? (bias ? graph.appendOnes(input) : input);
    inputs.set(inputOf, a);
    return a;
  };
  const taps = modules.map((module, m) => ({ module, a: inputOf(module, tapped[m]), delta: deltas[m] }));
  return { graph, taps };
}

/** Arrays that a graph uses as weights beside the model's: what each is called, and where it will lie. */
export interface ExtraWeights {
  arrays: Map<string, Float32Array>;
  layout: Map<string, External>;
  file: string;
  /** SHA-256 of each array, and of all of them, in hexadecimal. */
  digests: [name: string, digest: string][];
  digest: string;
}

/** Lays the arrays out in a file of the model's cache folder that is named after their content. */
export function layOutExtra(name: string, arrays: Map<string, Float32Array>): ExtraWeights {
  const digests = digestsOf(arrays);
  const digest = fingerprint(digests);
  const file = `${name}-${digest.slice(0, 16)}.bin`;
  const lengths = [...arrays].map(([key, values]): [string, number] => [key, values.length]);
  return { arrays, layout: layOutWeights(file, lengths), file, digests, digest };
}

/**
 * Writes a graph of the model into the cache folder, unless it is there, and gives its path; a file that is damaged is made again. One
 * weights file serves every graph of the model. `key` is all that the graph depends on beside the model.
 */
export async function writeGraph(
  folder: ModelFolder,
  cache: string,
  name: string,
  key: unknown,
  graph: TensorGraph,
  extra?: ExtraWeights,
): Promise<string> {
  const model = await folder.fingerprint();
  const home = join(cache, `model-${model.slice(0, 16)}`);
  await makeFolder(home);
  const layout = layOutModel(WEIGHTS_FILE, folder.tensors);
  await writeModelWeights(join(home, WEIGHTS_FILE), { model }, layout, folder.tensors);
  if (extra && extra.arrays.size > 0)
    await writeArrays(join(home, extra.file), { arrays: extra.digest }, extra.layout, extra.arrays);
  const path = join(home, `${name}-${fingerprint({ version: GRAPH_VERSION, key }).slice(0, 16)}.onnx`);
  await writeOnnx(path, lowerToOnnx(graph));
  return path;
}

const WEIGHTS_FILE = 'weights.bin';

interface Forward {
  graph: TensorGraph;
  linears: Linear[];
  /** What each attention keeps of a token, where the graph reads steps. */
  cached: CachedHeads[];
  /** (B·T,D), and the table (V,D) whose rows it is multiplied with to become logits. */
  hidden: Tensor;
  head: Tensor;
}

/** The forward pass of the model for texts or decoding steps of at most `contextTokens`. Throws InputError for a model that does not fit. */
export function buildForward(
  folder: ModelFolder,
  { contextTokens }: Pick<GraphSettings, 'contextTokens'>,
  reading: Reading = 'texts',
): Forward {
  const config = new ModelConfig(folder.config, `${folder.path}/config.json`);
  const longest = config.integer('max_position_embeddings', contextTokens);
  if (contextTokens > longest)
    throw new InputError(
      `contextTokens: expected at most the model's max_position_embeddings of ${longest}, got ${contextTokens}`,
    );
  const architecture = findArchitecture(folder);
  const model = new ForwardGraph(
    config,
    folder.tensors,
    layOutModel(WEIGHTS_FILE, folder.tensors),
    contextTokens,
    reading,
  );
  const { hidden, head } = architecture.build(model);
  return { graph: model.graph, linears: model.linears, cached: model.cached, hidden, head };
}

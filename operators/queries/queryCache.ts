/** The file of cached query gradients: a safetensors file that carries what its numbers depend on, and is refused elsewhere. */
import { join } from 'node:path';
import { IntegrityError } from '../../schemas/errors.ts';
import { canonicalJson, fingerprint } from '../../schemas/fingerprint.ts';
import type { Query } from '../../schemas/queries.ts';
import type { FactorFingerprint } from '../curvature/factorFolder.ts';
import { expectFingerprint } from '../files/differingKeys.ts';
import type { ModuleProjection, ProjectionMatrix } from '../gradients/projections.ts';
import {
  openSafetensorsFile,
  openSealedSafetensors,
  readTensor,
  type TensorToWrite,
  writeSealedSafetensors,
} from '../gradients/safetensors.ts';

/** Everything that query gradients depend on; two runs share a cache exactly where these agree. */
export interface QueryFingerprint {
  /** Raised when the file's meaning changes. */
  version: number;
  model: string;
  /** The model whose gradients of the queries these are. */
  queryModel: string;
  tokenizer: string;
  modules: string[];
  contextTokens: number;
  chatTemplate: boolean;
  preconditioner: unknown;
  projection: unknown;
  /** What the curvature factors depend on; null where none is needed. */
  factors: FactorFingerprint | null;
  seed: number;
  queries: string;
  /** The gradient operator where it is the user's own, null for the built-in one. */
  operator: unknown;
}

export const QUERY_CACHE_VERSION = 2;

/** Query gradients of Q queries at M modules, on disk. */
export interface QueryCache {
  path: string;
  /** SHA-256 of the file's content, in hexadecimal. */
  digest: string;
  modules: string[];
  /** (M) D_m. */
  widths: number[];
  /** (M) Where module m's (Q,D_m) float32 block starts in the file, bytes. */
  offsets: number[];
  /** (Q) f_q: summed negative log-likelihood of the completion given the prompt, nats. */
  loss: number[];
  /** (Q) Completion tokens. */
  tokens: number[];
  /** (Q) ‖P(∇f_q)‖² over all layers, before it was projected; null where the gradients are a custom operator's. */
  squaredNorm: number[] | null;
  /** (M) Null where the gradients are a custom operator's. */
  layers: LayerWidths[] | null;
}

/** How a layer is projected, and what that keeps. */
export interface LayerWidths {
  /** k_o and k_i; the layer's own width where a side is kept whole. */
  outputs: number;
  inputs: number;
  /** The layer's share of the scores' variance, and how much of that share the projection keeps; null where it was not measured. */
  share: number | null;
  captured: number | null;
}

export function queryCachePath(folder: string, wanted: QueryFingerprint): string {
  return join(folder, `queries-${fingerprint(wanted).slice(0, 16)}.safetensors`);
}

/** Names the queries themselves: what changes a gradient, not their tasks or answers. */
export function fingerprintQueries(queries: Query[]): string {
  return fingerprint(
    queries.map(({ id, prompt, completion, completionIds }) => ({ id, prompt, completion, completionIds })),
  );
}

/**
 * Opens the cache at `path`. Throws IntegrityError, with each key that differs, where it was made for something else, and DamagedFile
 * where it is missing or its content is not what was written.
 */
export async function openQueryCache(path: string, wanted: QueryFingerprint): Promise<QueryCache> {
  const { metadata, tensors, digest } = await openSealedSafetensors(path);
  const remedy = 'Delete it, or run headwater queries for this configuration';
  expectFingerprint(`the query cache ${path} was`, metadata.fingerprint, wanted, remedy);
  const blocks = [...tensors.values()].filter(({ name }) => name.startsWith(MODULE_PREFIX));
  const column = async (name: string) => {
    const entry = tensors.get(name);
    if (!entry) throw new IntegrityError(`${path} is not a query cache: it has no ${name}. Delete it and run again`);
    return Array.from(await readTensor(entry));
  };
  return {
    path,
    digest,
    modules: blocks.map(({ name }) => name.slice(MODULE_PREFIX.length)),
    widths: blocks.map(({ shape }) => shape[1]),
    offsets: blocks.map(({ offset }) => offset),
    loss: await column('loss'),
    tokens: await column('tokens'),
    squaredNorm: tensors.has('squaredNorm') ? await column('squaredNorm') : null,
    layers: metadata.layers ? (JSON.parse(metadata.layers) as LayerWidths[]) : null,
  };
}

/** The matrices that documents are projected with, as the cache has them beside its layers. */
export async function readProjections({ path, modules }: QueryCache): Promise<ModuleProjection[]> {
  const { tensors } = await openSafetensorsFile(path);
  const read = async (name: string): Promise<ProjectionMatrix | null> => {
    const entry = tensors.get(name);
    if (!entry) return null;
    return { rows: entry.shape[0], k: entry.shape[1], values: await readTensor(entry) };
  };
  const projections: ModuleProjection[] = [];
  for (const module of modules)
    projections.push({ outputs: await read(`outputs.${module}`), inputs: await read(`inputs.${module}`) });
  return projections;
}

const MODULE_PREFIX = 'gradient.';

/** What a cache holds of each query. */
export interface QueryColumns {
  loss: number[];
  tokens: number[];
  squaredNorm: number[] | null;
  layers: LayerWidths[] | null;
}

/** A layer's query gradients (Q,D_m) row-major, and the matrices that documents are projected with. */
export interface QueryBlock {
  values: Float32Array;
  projection: ModuleProjection;
}

/** A layer as the file's header needs it; `block` is asked for when its turn comes, and not kept. */
export interface QueryLayer {
  module: string;
  width: number;
  /** (rows, k) of P_o and P_i; null where there is none. */
  outputs: [number, number] | null;
  inputs: [number, number] | null;
  block(): Promise<QueryBlock>;
}

/** Writes the cache, a layer at a time. */
export async function writeQueryCache(
  path: string,
  wanted: QueryFingerprint,
  { loss, tokens, squaredNorm, layers }: QueryColumns,
  blocks: QueryLayer[],
): Promise<void> {
  const metadata = { fingerprint: canonicalJson(wanted), ...(layers ? { layers: JSON.stringify(layers) } : {}) };
  const column = (name: string, values: number[]): TensorToWrite => ({
    name,
    dtype: 'F64',
    shape: [values.length],
    pieces: [Float64Array.from(values)],
  });
  await writeSealedSafetensors(path, metadata, [
    column('loss', loss),
    column('tokens', tokens),
    ...(squaredNorm ? [column('squaredNorm', squaredNorm)] : []),
    ...blocks.flatMap((layer) => layerTensors(layer, loss.length)),
  ]);
}

function layerTensors({ module, width, outputs, inputs, block }: QueryLayer, queries: number): TensorToWrite[] {
  let made: Promise<QueryBlock> | undefined;
  let left = 1 + Number(outputs !== null) + Number(inputs !== null);
  const pieces = async function* (pick: (whole: QueryBlock) => Float32Array) {
    made ??= block();
    const whole = await made;
    // The writer holds on to all layers' tensors: their content must not stay with them.
    if (--left === 0) made = undefined;
    yield pick(whole);
  };
  const matrix = (side: 'outputs' | 'inputs', shape: [number, number] | null): TensorToWrite[] =>
    shape
      ? [{ name: `${side}.${module}`, dtype: 'F32', shape, pieces: pieces((whole) => whole.projection[side]!.values) }]
      : [];
  return [
    {
      name: MODULE_PREFIX + module,
      dtype: 'F32',
      shape: [queries, width],
      pieces: pieces(({ values }) => values),
    },
    ...matrix('outputs', outputs),
    ...matrix('inputs', inputs),
  ];
}

/** The file of cached query gradients: a safetensors file that carries what its numbers depend on, and is refused elsewhere. */
import { join } from 'node:path';
import { IntegrityError } from '../../schemas/errors.ts';
import { canonicalJson, fingerprint } from '../../schemas/fingerprint.ts';
import type { Query } from '../../schemas/queries.ts';
import { differingKeys } from '../files/differingKeys.ts';
import { openSafetensorsFile, readTensor, writeSafetensors } from '../gradients/safetensors.ts';

/** Everything that query gradients depend on; two runs share a cache exactly where these agree. */
export interface QueryFingerprint {
  /** Raised when the file's meaning changes. */
  version: number;
  model: string;
  tokenizer: string;
  modules: string[];
  contextTokens: number;
  chatTemplate: boolean;
  preconditioner: unknown;
  projection: unknown;
  seed: number;
  queries: string;
  /** The gradient operator where it is the user's own, null for the built-in one. */
  operator: unknown;
}

export const QUERY_CACHE_VERSION = 1;

/** Query gradients of Q queries at M modules, on disk. */
export interface QueryCache {
  path: string;
  modules: string[];
  /** (M) D_m. */
  widths: number[];
  /** (M) Where module m's (Q,D_m) float32 block starts in the file, bytes. */
  offsets: number[];
  /** (Q) f_q: summed negative log-likelihood of the completion given the prompt, nats. */
  loss: number[];
  /** (Q) Completion tokens. */
  tokens: number[];
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
 * Opens the cache at `path`. Throws IntegrityError, with each key that differs, where it was made for something else, and where the
 * file is not whole.
 */
export async function openQueryCache(path: string, wanted: QueryFingerprint): Promise<QueryCache> {
  const { metadata, tensors } = await openSafetensorsFile(path).catch((cause: Error) => {
    throw new IntegrityError(`${path} is not a whole query cache: ${cause.message}. Delete it and run again`, {
      cause,
    });
  });
  expectFingerprint(path, metadata.fingerprint, wanted);
  const blocks = [...tensors.values()].filter(({ name }) => name.startsWith(MODULE_PREFIX));
  const column = async (name: string) => {
    const entry = tensors.get(name);
    if (!entry) throw new IntegrityError(`${path} is not a query cache: it has no ${name}. Delete it and run again`);
    return Array.from(await readTensor(entry));
  };
  return {
    path,
    modules: blocks.map(({ name }) => name.slice(MODULE_PREFIX.length)),
    widths: blocks.map(({ shape }) => shape[1]),
    offsets: blocks.map(({ offset }) => offset),
    loss: await column('loss'),
    tokens: await column('tokens'),
  };
}

const MODULE_PREFIX = 'gradient.';

function expectFingerprint(path: string, found: string | undefined, wanted: QueryFingerprint): void {
  if (found === canonicalJson(wanted)) return;
  throw new IntegrityError(
    `the query cache ${path} was made for something else: ${differingKeys(found, wanted)}. ` +
      'Delete it, or run headwater queries for this configuration',
  );
}

/** Writes the cache: blocks[m] is (Q,D_m) row-major. */
export async function writeQueryCache(
  path: string,
  wanted: QueryFingerprint,
  blocks: { module: string; width: number; values: Float32Array }[],
  loss: number[],
  tokens: number[],
): Promise<void> {
  const queries = loss.length;
  await writeSafetensors(path, { fingerprint: canonicalJson(wanted) }, [
    { name: 'loss', dtype: 'F64', shape: [queries], pieces: [Float64Array.from(loss)] },
    { name: 'tokens', dtype: 'F64', shape: [queries], pieces: [Float64Array.from(tokens)] },
    ...blocks.map(({ module, width, values }) => ({
      name: MODULE_PREFIX + module,
      dtype: 'F32' as const,
      shape: [queries, width],
      pieces: [values],
    })),
  ]);
}

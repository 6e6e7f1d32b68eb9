/** The file of completions that the model wrote: JSON that carries what they depend on, and is refused elsewhere. */
import { join } from 'node:path';
import { canonicalJson, fingerprint } from '../../schemas/fingerprint.ts';
import type { Query } from '../../schemas/queries.ts';
import { DamagedFile } from '../files/damagedFile.ts';
import { expectFingerprint } from '../files/differingKeys.ts';
import { readSealedJson, writeSealedJson } from '../files/sealedJson.ts';
import type { GeneratedTokens } from './generateCompletions.ts';

/** Everything that completions depend on. */
export interface CompletionFingerprint {
  /** Raised when the file's meaning changes. */
  version: number;
  model: string;
  tokenizer: string;
  chatTemplate: boolean;
  maxNewTokens: number;
  contextTokens: number;
  /** Ids of the tokens that end a text. */
  endOfText: number[];
  prompts: string;
}

export const COMPLETION_CACHE_VERSION = 1;

/** One completion; `ids` are what the model wrote, `text` shows them. */
export interface Completion extends GeneratedTokens {
  text: string;
}

export function completionCachePath(folder: string, wanted: CompletionFingerprint): string {
  return join(folder, `completions-${fingerprint(wanted).slice(0, 16)}.json`);
}

/** Names the prompts that are completed. */
export function fingerprintPrompts(queries: Pick<Query, 'id' | 'prompt'>[]): string {
  return fingerprint(queries.map(({ id, prompt }) => ({ id, prompt })));
}

/** Writes the cache, one completion a line so that it can be read by eye. */
export async function writeCompletionCache(
  path: string,
  wanted: CompletionFingerprint,
  completions: Completion[],
): Promise<void> {
  const lines = completions.map((completion) => JSON.stringify(completion)).join(',\n');
  await writeSealedJson(path, [
    ['fingerprint', canonicalJson(wanted)],
    ['completions', `[\n${lines}\n]`],
  ]);
}

/**
 * The completions in the cache at `path`. Throws IntegrityError, with each key that differs, where it was made for something else, and
 * DamagedFile where it is missing or its content is not what was written.
 */
export async function openCompletionCache(path: string, wanted: CompletionFingerprint): Promise<Completion[]> {
  const { fingerprint: found, completions } = await readSealedJson(path);
  expectFingerprint(`the completion cache ${path} was`, canonicalJson(found), wanted, 'Delete it and run again');
  if (!Array.isArray(completions) || !completions.every(isCompletion))
    throw new DamagedFile(path, 'a completion lacks id, ids, text or cut');
  return completions as Completion[];
}

function isCompletion(value: unknown): value is Completion {
  const { id, ids, text, cut } = (value ?? {}) as Record<string, unknown>;
  const named = typeof id === 'string' && typeof text === 'string' && typeof cut === 'boolean';
  return named && Array.isArray(ids) && ids.every((token) => Number.isSafeInteger(token) && token >= 0);
}

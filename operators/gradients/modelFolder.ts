/** Reads a Hugging Face model folder: its configuration, where its tensors lie, and the fingerprint of both. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { distance } from 'fastest-levenshtein';
import { InputError } from '../../schemas/errors.ts';
import { canonicalJson } from '../../schemas/fingerprint.ts';
import { nameGlob } from '../../schemas/nameGlob.ts';
import { openSafetensors, type TensorIndex } from './safetensors.ts';

export interface ModelFolder {
  path: string;
  /** config.json as it stands, in the old or the transformers-5 form. */
  config: Record<string, unknown>;
  tensors: TensorIndex;
  /** SHA-256 of the configuration and of every safetensors byte, in hexadecimal; computed once. */
  fingerprint(): Promise<string>;
}

/** Opens a model folder; weights are not read yet. Throws InputError that names what is missing or wrong. */
export async function readModelFolder(path: string): Promise<ModelFolder> {
  const config = await readConfig(path);
  const tensors = await openSafetensors(path);
  let fingerprint: Promise<string> | undefined;
  return {
    path,
    config,
    tensors,
    fingerprint() {
      fingerprint ??= fingerprintOf(config, tensors);
      return fingerprint;
    },
  };
}

async function readConfig(folder: string): Promise<Record<string, unknown>> {
  const file = join(folder, 'config.json');
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new InputError(
      `readModelFolder expected a Hugging Face model folder at ${folder}, which has config.json, model.safetensors (or ` +
        `model.safetensors.index.json and its shards) and tokenizer.json; config.json could not be read: ${cause.message}`,
      { cause },
    );
  });
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`readModelFolder expected JSON in ${file}: ${(cause as Error).message}`, { cause });
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new InputError(`readModelFolder expected a JSON object in ${file}, found ${text.slice(0, 40)}`);
  const { architectures } = config as Record<string, unknown>;
  if (!Array.isArray(architectures) || typeof architectures[0] !== 'string')
    throw new InputError(
      `readModelFolder expected "architectures": ["…ForCausalLM"] in ${file}, found ${JSON.stringify(architectures)}: ` +
        'save the model with save_pretrained',
    );
  return config as Record<string, unknown>;
}

async function fingerprintOf(config: Record<string, unknown>, tensors: TensorIndex): Promise<string> {
  const hash = createHash('sha256').update(canonicalJson(config));
  const files = new Set([...tensors.values()].map((entry) => entry.file));
  for (const file of [...files].sort()) {
    hash.update(`\0${basename(file)}\0`);
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

/**
 * The linear layers, in their own order, that any of the globs matches; `*` stands for any characters, dots among them.
 * Throws InputError for a glob that matches none, with the names there are.
 */
export function matchModules(globs: string[], linearNames: string[]): string[] {
  const matchers = globs.map(nameGlob);
  globs.forEach((glob, g) => {
    if (!linearNames.some((name) => matchers[g].test(name))) throw new InputError(noMatch(glob, linearNames));
  });
  return linearNames.filter((name) => matchers.some((matcher) => matcher.test(name)));
}

const NAMES_SHOWN = 8;

function noMatch(glob: string, linearNames: string[]): string {
  // Layer numbers aside, a model has about seven names.
  const names = [...new Set(linearNames.map((name) => name.replace(/\.\d+\./g, '.*.')))];
  names.sort((a, b) => distance(glob, a) - distance(glob, b));
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  return (
    `modules: "${glob}" matches none of the model's ${linearNames.length} linear layers. They are ` +
    `${names.slice(0, NAMES_SHOWN).join(', ')}${more}: write a glob that matches some, such as "*.mlp.*"`
  );
}

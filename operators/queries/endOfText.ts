/** Reads which tokens end a text from a model folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../schemas/errors.ts';
import type { ModelFolder } from '../gradients/modelFolder.ts';

/**
 * `eos_token_id` of generation_config.json, or of config.json where that names none: one id, several, or none. Throws InputError where
 * it is anything else.
 */
export async function readEndOfText({ path, config }: ModelFolder): Promise<number[]> {
  const file = join(path, 'generation_config.json');
  const generation = await readGeneration(file);
  const own = generation.eos_token_id ?? null;
  const [named, where] = own === null ? [config.eos_token_id ?? [], join(path, 'config.json')] : [own, file];
  const ids = Array.isArray(named) ? named : [named];
  if (!ids.every((id) => Number.isSafeInteger(id) && id >= 0))
    throw new InputError(
      `${where}: expected eos_token_id to be a token id or a list of them, found ${JSON.stringify(named)}`,
    );
  return ids;
}

async function readGeneration(file: string): Promise<Record<string, unknown>> {
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown> | null) ?? {};
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new InputError(
      `${file} could not be read: ${(cause as Error).message}. Mend it, or delete it to take eos_token_id from config.json`,
      { cause },
    );
  }
}

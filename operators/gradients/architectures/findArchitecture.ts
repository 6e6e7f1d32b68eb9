/** The model families that are supported: one row each. */
import { InputError } from '../../../schemas/errors.ts';
import type { ModelFolder } from '../modelFolder.ts';
import type { Architecture } from './forwardGraph.ts';
import { llama } from './llama.ts';

const architectures: readonly Architecture[] = [llama];

/** The architecture that config.json names; throws InputError with those supported for any other. */
export function findArchitecture(folder: ModelFolder): Architecture {
  const asked = folder.config.architectures as string[];
  const found = architectures.find(({ names }) => asked.some((name) => names.includes(name)));
  if (found) return found;
  const supported = architectures.flatMap(({ names }) => names).join(', ');
  throw new InputError(
    `${folder.path}/config.json: expected one of the architectures ${supported}, found ${asked.join(', ')}`,
  );
}

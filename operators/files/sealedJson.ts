/** JSON files of the cache: an object whose last field, `sha256`, is the digest of all that stands before its value. */
import { readFile } from 'node:fs/promises';
import { DamagedFile, unreadable } from './damagedFile.ts';
import { sealOf, writeSealed } from './sealedFile.ts';

const TAIL = '"}\n';

/** Writes the fields in their order, each from a line of its own; `json` is the value as text. Throws ResourceError. */
export function writeSealedJson(path: string, fields: [name: string, json: string][]): Promise<void> {
  const lines = [...fields.map(([name, json]) => `${JSON.stringify(name)}: ${json}`), '"sha256": "'];
  return writeSealed(path, [Buffer.from(`{${lines.join(',\n')}`)], TAIL);
}

/** The fields as they were written. Throws DamagedFile where they are not, ResourceError where the file may not be read. */
export async function readSealedJson(path: string): Promise<Record<string, unknown>> {
  await sealOf(path, TAIL);
  const text = await readFile(path, 'utf8').catch((cause) => unreadable(path, cause));
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new DamagedFile(path, (cause as Error).message, cause);
  }
}

/** Finds a corpus file that was changed while a run reads it: scores before and after would be of different corpora. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError, IntegrityError } from '../../schemas/errors.ts';
import type { Corpus, CorpusFile } from './corpus.ts';
import { withDeadline } from './parquet/withDeadline.ts';

const FILES_AT_ONCE = 32;

/**
 * Looks at every file's size and time, and reads none. Throws IntegrityError for the first that is not as `openCorpus` saw it,
 * InputError for one that cannot be looked at.
 */
export async function expectUnchanged(corpus: Corpus, readSeconds = 120): Promise<void> {
  for (let f = 0; f < corpus.files.length; f += FILES_AT_ONCE) {
    const files = corpus.files.slice(f, f + FILES_AT_ONCE);
    const changes = await Promise.all(files.map((file) => changeOf(file, corpus.baseFolder, readSeconds)));
    const changed = changes.findIndex((change) => change !== null);
    if (changed >= 0) throw changedFile(files[changed].path, changes[changed]!);
  }
}

/** What is different, null where nothing is. */
async function changeOf(file: CorpusFile, baseFolder: string, readSeconds: number): Promise<string | null> {
  const looking = stat(path.resolve(baseFolder, file.path));
  const found = await withDeadline(looking, readSeconds, 'looking at it').catch((cause) => gone(file, cause));
  if (found === null) return 'it is gone';
  if (found.size !== file.bytes) return `it has ${found.size} bytes, it had ${file.bytes}`;
  if (found.mtimeMs !== file.modifiedMs)
    return `it was written at ${time(found.mtimeMs)}, before that at ${time(file.modifiedMs)}`;
  return null;
}

function gone(file: CorpusFile, cause: NodeJS.ErrnoException): null {
  if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return null;
  throw new InputError(
    `the corpus file ${file.path} could be read when the run began, and cannot be looked at now: ${cause.message}`,
    { cause },
  );
}

const time = (ms: number): string => new Date(ms).toISOString();

export function changedFile(name: string, change: string): IntegrityError {
  return new IntegrityError(
    `the corpus file ${name} has changed since the run began (${change}): scores before and after would be of different corpora; ` +
      'put it back or start a new run',
  );
}

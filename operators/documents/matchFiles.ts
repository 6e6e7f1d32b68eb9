/** Turns the configured files, folders and globs into the corpus's sorted list of files. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { glob } from 'tinyglobby';
import { InputError } from '../../schemas/errors.ts';
import { withDeadline } from './parquet/withDeadline.ts';

/**
 * Paths relative to `baseFolder` (or absolute, where they lie outside it), with forward slashes, sorted by code unit, each once.
 * A folder stands for every .parquet file below it; `!pattern` takes files out of folders and globs.
 * Throws InputError for a pattern that matches nothing: a silently shorter corpus would be a wrong result; and where looking
 * takes longer than `readSeconds`.
 */
export async function matchFiles(patterns: string[], baseFolder: string, readSeconds: number): Promise<string[]> {
  const wanted = patterns.filter((pattern) => !pattern.startsWith('!'));
  const ignore = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  const matching = Promise.all(wanted.map((pattern) => matchPattern(pattern, baseFolder, ignore)));
  const matches = await withDeadline(matching, readSeconds, 'looking for the files of corpus.files').catch((cause) => {
    throw new InputError(`openCorpus cannot list its files under ${baseFolder}: ${cause.message}`, { cause });
  });
  const unmatched = wanted.filter((_, p) => matches[p].length === 0);
  if (unmatched.length > 0 || wanted.length === 0) throw noFiles(unmatched, patterns, baseFolder);
  const names = matches.flat().map((file) => nameFrom(baseFolder, file));
  return [...new Set(names)].sort(byCodeUnit);
}

/** Absolute paths. A name that exists is taken as it stands, even where it reads as a glob. */
async function matchPattern(pattern: string, baseFolder: string, ignore: string[]): Promise<string[]> {
  const named = path.resolve(baseFolder, pattern);
  const found = await stat(named).catch(() => null);
  const inFolder = found?.isDirectory() ?? false;
  if (found && !inFolder) return [named]; // a pipe or a device too: it is refused by name when opened
  return glob(inFolder ? '**/*.parquet' : pattern, {
    cwd: inFolder ? named : baseFolder,
    ignore: ignore.map((name) => path.resolve(baseFolder, name)),
    absolute: true,
    expandDirectories: false,
  });
}

function nameFrom(baseFolder: string, file: string): string {
  const relative = path.relative(baseFolder, file);
  const outside = relative.startsWith('..') || path.isAbsolute(relative);
  return (outside ? path.resolve(file) : relative).split(path.sep).join('/');
}

// not localeCompare: the order of a corpus must not depend on the machine's language
function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function noFiles(unmatched: string[], patterns: string[], baseFolder: string): InputError {
  const listed = (unmatched.length > 0 ? unmatched : patterns).map((pattern) => `"${pattern}"`).join(', ');
  return new InputError(
    `openCorpus expected Parquet files for corpus.files, got no files for ${listed || 'an empty list'} under ${baseFolder}; ` +
      'relative paths start at the configuration file, a folder stands for the .parquet files below it',
  );
}

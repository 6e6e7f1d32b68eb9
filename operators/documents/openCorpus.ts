/** Opens a corpus: finds its Parquet files and reads every footer, so that what cannot be read is found before any compute. */
import path from 'node:path';
import { InputError } from '../../schemas/errors.ts';
import type { BadFile, Corpus, CorpusFile, CorpusSettings } from './corpus.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { matchFiles } from './matchFiles.ts';
import { type FileFacts, planFile } from './openCorpusFile.ts';
import { type OpenFile, openFile } from './parquet/openFile.ts';
import { reasonOf } from './reasonOf.ts';

export type { BadFile, Corpus, CorpusFile, CorpusSettings } from './corpus.ts';

// one at a time leaves a network drive idle; footers are let go as soon as they are checked
const FILES_AT_ONCE = 8;

/** Throws InputError where no files match, the manifest lacks one, a file is bad and `onBadFile` is 'fail', or every file is bad. */
export async function openCorpus(settings: CorpusSettings, baseFolder: string): Promise<Corpus> {
  const base = path.resolve(baseFolder);
  const paths = await matchFiles(settings.files, base, settings.readSeconds);
  const digests = await listedDigests(paths, settings, base);
  const checked: CheckedFile[] = [];
  for (let f = 0; f < paths.length; f += FILES_AT_ONCE)
    checked.push(
      ...(await Promise.all(paths.slice(f, f + FILES_AT_ONCE).map((file) => checkFile(base, file, settings)))),
    );
  refuseOtherKinds(checked);
  const badFiles = checked.flatMap(({ path, bad }) => (bad === null ? [] : [{ path, reason: bad }]));
  if (badFiles.length > 0 && (settings.onBadFile === 'fail' || badFiles.length === paths.length))
    throw badFilesError(badFiles, paths.length);
  const files = numberRows(checked.filter(({ bad }) => bad === null));
  if (digests) for (const file of files) file.sha256 = digests.get(path.resolve(base, file.path))!;
  return { baseFolder: base, files, rows: files.reduce((sum, file) => sum + file.rows, 0), badFiles };
}

/** The manifest, which must list every file of the corpus; null where none is configured. */
async function listedDigests(paths: string[], settings: CorpusSettings, base: string): Promise<Manifest | null> {
  if (settings.manifest === undefined) return null;
  const name = path.resolve(base, settings.manifest);
  const manifest = await readManifest(name, settings.readSeconds);
  const missing = paths.filter((file) => !manifest.has(path.resolve(base, file)));
  if (missing.length === 0) return manifest;
  throw new InputError(
    `openCorpus expected the manifest ${name} to list every file of the corpus, got none for ${firstNames(missing)}; ` +
      'add them with sha256sum, or take them out of corpus.files',
  );
}

interface CheckedFile {
  path: string;
  /** Why it cannot be read; null for a good file. */
  bad: string | null;
  facts: FileFacts | null;
}

async function checkFile(baseFolder: string, file: string, settings: CorpusSettings): Promise<CheckedFile> {
  try {
    const { facts } = await withFile(path.resolve(baseFolder, file), settings, (open) => planFile(open, settings));
    return { path: file, bad: null, facts };
  } catch (error) {
    return { path: file, bad: reasonOf(error), facts: null };
  }
}

/** Ids or sources that are strings in one file and integers in another come from two different corpora. */
function refuseOtherKinds(checked: CheckedFile[]): void {
  for (const role of ['id', 'source'] as const) {
    const typed = checked.filter(({ facts }) => facts?.columns[role] && facts.columns[role].kind !== 'nothing');
    for (const file of typed) {
      const { kind, type, name } = file.facts!.columns[role]!;
      const first = typed[0].facts!.columns[role]!;
      if ((kind === 'text') !== (first.kind === 'text'))
        file.bad = `corpus.${role}Column "${name}" is ${type} here, ${first.type} in ${typed[0].path}`;
    }
  }
}

function numberRows(good: CheckedFile[]): CorpusFile[] {
  const baseNames = good.map((file) => path.posix.basename(file.path));
  const unique = new Set(baseNames).size === baseNames.length;
  let rowStart = 0;
  return good.map((file, f) => {
    const { rows, bytes, modifiedMs, footerHash } = file.facts!;
    const name = unique ? baseNames[f] : file.path;
    rowStart += rows;
    return { path: file.path, name, rows, rowStart: rowStart - rows, bytes, modifiedMs, footerHash };
  });
}

const MOST_BAD_NAMED = 5;

function firstNames(paths: string[]): string {
  const named = paths.slice(0, MOST_BAD_NAMED).join(', ');
  return paths.length > MOST_BAD_NAMED ? `${named} and ${paths.length - MOST_BAD_NAMED} more` : named;
}

function badFilesError(badFiles: BadFile[], files: number): InputError {
  const named = badFiles.slice(0, MOST_BAD_NAMED).map(({ path, reason }) => `${path}: ${reason}`);
  if (badFiles.length > MOST_BAD_NAMED) named.push(`and ${badFiles.length - MOST_BAD_NAMED} more`);
  const next = badFiles.length < files ? '; mend or remove them, or set corpus.onBadFile: skip' : '';
  return new InputError(
    `openCorpus expected ${files} readable Parquet files, got ${badFiles.length} it cannot read${next}\n  ${named.join('\n  ')}`,
  );
}

async function withFile<T>(
  name: string,
  { readSeconds }: CorpusSettings,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const file = await openFile(name, readSeconds);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

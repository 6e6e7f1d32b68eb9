/** Opens a file of the corpus when its turn comes: finds its columns and row groups again, and that it is still the same file. */
import path from 'node:path';
import { HeadwaterError, InputError } from '../../schemas/errors.ts';
import type { Corpus, CorpusFile, CorpusSettings } from './corpus.ts';
import { changedFile } from './expectUnchanged.ts';
import { expectDigest } from './manifest.ts';
import { type ColumnNames, type DocumentColumns, findColumns } from './parquet/findColumns.ts';
import { type OpenFile, openFile } from './parquet/openFile.ts';
import { planRowGroups, type RowGroupPlan } from './parquet/planRowGroups.ts';
import { readFooter } from './parquet/readFooter.ts';
import { reasonOf } from './reasonOf.ts';

export type FileFacts = Pick<CorpusFile, 'rows' | 'bytes' | 'modifiedMs' | 'footerHash'> & { columns: DocumentColumns };

/** A file's facts and where its rows lie, each found in its footer. */
export async function planFile(
  file: OpenFile,
  names: ColumnNames,
): Promise<{ facts: FileFacts; rowGroups: RowGroupPlan[] }> {
  const footer = await readFooter(file);
  const columns = findColumns(footer.metadata, names);
  const { text, id, source } = columns;
  const rowGroups = planRowGroups(
    footer,
    [text, id, source].filter((column) => column !== null),
  );
  const { bytes, modifiedMs } = file;
  return { facts: { rows: footer.rows, bytes, modifiedMs, footerHash: footer.hash, columns }, rowGroups };
}

/** What is needed to open a file of the corpus again. */
export type OpenSettings = ColumnNames & Pick<CorpusSettings, 'readSeconds'>;

/** A file of the corpus, opened again when its turn comes. */
export interface OpenCorpusFile {
  file: OpenFile;
  columns: DocumentColumns;
  rowGroups: RowGroupPlan[];
}

/**
 * Opens file `f`; the caller closes it. Throws IntegrityError where it is another file than `openCorpus` saw, InputError
 * where it can no longer be read or is not the file that the manifest lists.
 */
export async function openCorpusFile(corpus: Corpus, f: number, settings: OpenSettings): Promise<OpenCorpusFile> {
  const { path: name, bytes, footerHash, sha256 } = corpus.files[f];
  const absolute = path.resolve(corpus.baseFolder, name);
  let file: OpenFile | null = null;
  try {
    file = await openFile(absolute, settings.readSeconds);
    if (file.bytes !== bytes) throw changedFile(name, `it has ${file.bytes} bytes, it had ${bytes}`);
    const { facts, rowGroups } = await planFile(file, settings);
    if (facts.footerHash !== footerHash) throw changedFile(name, 'its footer is another');
    if (sha256 !== undefined) await expectDigest(file, absolute, sha256).catch((cause) => strangeFile(name, cause));
    return { file, columns: facts.columns, rowGroups };
  } catch (cause) {
    await file?.close();
    if (cause instanceof HeadwaterError) throw cause;
    throw new InputError(
      `the corpus file ${name} could be read when the run began and cannot now: ${reasonOf(cause)}`,
      { cause },
    );
  }
}

function strangeFile(name: string, cause: Error): never {
  throw new InputError(`the corpus file ${name} is not the one that corpus.manifest lists: ${cause.message}`, {
    cause,
  });
}

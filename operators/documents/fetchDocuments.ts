/** Reads chosen documents again at the end of a run, for the result tables: scores travel without their texts. */
import { InputError } from '../../schemas/errors.ts';
import type { Corpus, CorpusSettings } from './corpus.ts';
import { decodeText } from './decodeText.ts';
import { openCorpusFile } from './openCorpusFile.ts';
import type { PageError } from './parquet/pageError.ts';
import { openRowGroup, rowAfter } from './readRows.ts';

export interface FetchedDocument {
  id: string;
  /** '' where it is null, null when no source column is configured. */
  source: string | null;
  text: string;
}

/**
 * The documents of `keys`, in ascending order of key. Each file and row group is visited once and only the pages that hold a
 * chosen row are decoded. One that cannot be read is left out under `onBadFile: skip` and an InputError under 'fail'. Throws
 * IntegrityError where its file has changed.
 */
export async function fetchDocuments(
  corpus: Corpus,
  settings: CorpusSettings,
  keys: number[] | Float64Array,
): Promise<Map<number, FetchedDocument>> {
  const sorted = Float64Array.from(new Set(keys)).sort();
  const stranger = sorted.find((key) => !(Number.isInteger(key) && key >= 0 && key < corpus.rows));
  if (stranger !== undefined)
    throw new InputError(
      `fetchDocuments expected keys from 0 to ${corpus.rows - 1}, the rows of the corpus, got ${stranger}`,
    );
  const fetched = new Map<number, FetchedDocument>();
  let next = 0;
  for (const [f, { rowStart, rows }] of corpus.files.entries()) {
    const first = next;
    while (next < sorted.length && sorted[next] < rowStart + rows) next++;
    if (next > first) await fetchFromFile(corpus, settings, f, sorted.subarray(first, next), fetched);
  }
  return fetched;
}

async function fetchFromFile(
  corpus: Corpus,
  settings: CorpusSettings,
  f: number,
  keys: Float64Array,
  into: Map<number, FetchedDocument>,
): Promise<void> {
  const { rowStart, name, path } = corpus.files[f];
  const opened = await openCorpusFile(corpus, f, settings).catch((cause) => leaveOut(settings, cause));
  if (!opened) return;
  const { file, rowGroups, columns } = opened;
  let next = 0; // rows before it were read, or are lost
  try {
    for (const group of rowGroups) {
      const blockAt = openRowGroup(file, group, columns, f, name);
      for (const key of keys) {
        const row = key - rowStart;
        if (row < Math.max(group.rowStart, next) || row >= group.rowEnd) continue;
        const block = await blockAt(row).catch((cause) => {
          next = rowAfter(cause);
          return leaveOut(settings, unreadable(path, cause));
        });
        if (!block) continue;
        const text = decodeText(block.text(row), 'replace').text ?? '';
        into.set(key, { id: block.id(row), source: columns.source && block.source(row), text });
      }
    }
  } finally {
    await file.close();
  }
}

function unreadable(path: string, cause: PageError): InputError {
  return new InputError(`fetchDocuments cannot read ${path} again: ${cause.message}`, { cause });
}

function leaveOut({ onBadFile }: CorpusSettings, cause: unknown): null {
  if (onBadFile === 'skip' && cause instanceof InputError) return null;
  throw cause;
}

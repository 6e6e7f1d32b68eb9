/** Documents that were fetched by key as a batch, as if they had been read in one slice. */
import type { DocumentBatch } from '../../schemas/batches.ts';
import type { FetchedDocument } from './fetchDocuments.ts';

/** Without sources, and with the key in place of file and row: for work that only asks which document a row is. */
export function fetchedBatch(
  batch: number,
  documents: ReadonlyMap<number, Pick<FetchedDocument, 'id' | 'text'>>,
): DocumentBatch {
  const key = Float64Array.from(documents.keys());
  const fetched = [...documents.values()];
  return {
    batch,
    key,
    file: new Uint32Array(key.length),
    row: key.slice(),
    id: fetched.map(({ id }) => id),
    source: null,
    setAside: [],
    extra: {},
    text: fetched.map(({ text }) => text),
  };
}

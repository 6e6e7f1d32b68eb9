/** The ranked documents as they are read again from the corpus when a run ends. */

/** A document as read again from the corpus; the folds keep keys and scores only. */
export interface CorpusDocument {
  id: string;
  /** Null where no source column is configured. */
  source: string | null;
  /** Index into the corpus's list of files. */
  file: number;
  /** Row within the file. */
  row: number;
  text: string;
  /** Absent where documents were not labelled. */
  kind?: string | null;
}

/** Every ranked document by its key. */
export type CorpusDocuments = ReadonlyMap<number, CorpusDocument>;

/** Throws for a document that was not read again: a fault of Headwater. */
export function documentAt(documents: CorpusDocuments, key: number): CorpusDocument {
  const document = documents.get(key);
  if (document) return document;
  throw new Error(`the report expected every ranked document to have been read again, got none with key ${key}`);
}

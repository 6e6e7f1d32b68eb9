/** The rows of top_documents and bottom_documents: the ranked documents with what the corpus says of them. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { RankedDocuments } from '../../accumulators/topDocuments.ts';
import type { Columns } from '../writeTable.ts';
import { type ExplainedDocument, tokenConcentration } from './influenceRows.ts';

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

export const documentColumns: Columns = {
  query_id: 'string',
  rank: 'int32',
  score: 'double',
  document_id: 'string',
  source: 'string?',
  file: 'string',
  row: 'int64',
  text: 'string',
  token_concentration: 'double?',
  one_token: 'boolean?',
};

/**
 * `files` are the corpus's files in its order; `explained` are those of the documents whose influence is known by token. Throws when a ranked document is not in `documents`.
 */
export function* documentRows(
  { query, rank, score, key }: RankedDocuments,
  queries: readonly Query[],
  documents: CorpusDocuments,
  files: readonly string[],
  explained: readonly ExplainedDocument[] = [],
): Generator<TableRow> {
  const byPlace = new Map(explained.map((place) => [`${place.rank} ${place.queryId}`, place]));
  for (let i = 0; i < key.length; ++i) {
    const { id, source, file, row, text } = documentAt(documents, key[i]);
    const queryId = queries[query[i]].id;
    const tokens = byPlace.get(`${rank[i]} ${queryId}`)?.tokens;
    const flag = tokens ? tokenConcentration(tokens) : null;
    yield {
      query_id: queryId,
      rank: rank[i],
      score: score[i],
      document_id: id,
      source,
      file: files[file],
      row,
      text,
      token_concentration: flag?.concentration ?? null,
      one_token: flag?.oneToken ?? null,
    };
  }
}

export function documentAt(documents: CorpusDocuments, key: number): CorpusDocument {
  const document = documents.get(key);
  if (document) return document;
  throw new Error(`the report expected every ranked document to have been read again, got none with key ${key}`);
}

/** Where the ranking of each query starts and ends: rows rowStart[q] to rowStart[q + 1]. */
export function rankingStarts({ query }: RankedDocuments, queries: number): number[] {
  const starts = Array<number>(queries + 1).fill(query.length);
  for (let i = query.length - 1; i >= 0; --i) starts[query[i]] = i;
  for (let q = queries - 1; q >= 0; --q) starts[q] = Math.min(starts[q], starts[q + 1]);
  return starts;
}

/** The rows of top_documents and bottom_documents: the ranked documents with what the corpus says of them. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { NearDuplicate } from '../../accumulators/nearDuplicates.ts';
import type { RankedDocuments } from '../../accumulators/rankedHeaps.ts';
import { type CorpusDocuments, documentAt } from '../../documents/corpusDocument.ts';
import type { Bm25 } from '../../scores/bm25.ts';
import type { Columns } from '../writeTable.ts';
import { type ExplainedDocument, tokenConcentration } from './influenceRows.ts';

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
  kind: 'string?',
  /** Of the whole text, for the query. */
  bm25: 'double?',
  /** Null beyond the top k by BM25. */
  bm25_rank: 'int32?',
  /** Its group in duplicates; null for none. */
  duplicates: 'int32?',
};

/** What is known beside the ranking; the columns of what is left out are null. */
export interface RankingNotes {
  bm25?: Bm25;
  bm25Documents?: RankedDocuments;
  duplicates?: readonly Pick<NearDuplicate, 'key' | 'group'>[];
}

/**
 * `files` are the corpus's files in its order; `explained` are those of the documents whose influence is known by token. Throws when a ranked document is not in `documents`.
 */
export function* documentRows(
  { query, rank, score, key }: RankedDocuments,
  queries: readonly Query[],
  documents: CorpusDocuments,
  files: readonly string[],
  explained: readonly ExplainedDocument[] = [],
  notes: RankingNotes = {},
): Generator<TableRow> {
  const noteOf = openNotes(notes, documents);
  const byPlace = new Map(explained.map((place) => [`${place.rank} ${place.queryId}`, place]));
  for (let i = 0; i < key.length; ++i) {
    const { id, source, file, row, text, kind = null } = documentAt(documents, key[i]);
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
      kind,
      ...noteOf(key[i], query[i]),
    };
  }
}

type Note = Record<'bm25' | 'bm25_rank' | 'duplicates', number | null>;

/** A document is scored once, however many queries rank it. */
function openNotes(
  { bm25, bm25Documents, duplicates = [] }: RankingNotes,
  documents: CorpusDocuments,
): (key: number, query: number) => Note {
  const scores = new Map<number, Float64Array>();
  const groups = new Map(duplicates.map(({ key, group }) => [key, group]));
  const ranks = bm25Documents ? ranksByQuery(bm25Documents) : [];
  return (key, query) => {
    if (bm25 && !scores.has(key)) scores.set(key, bm25(documentAt(documents, key).text));
    return {
      bm25: scores.get(key)?.[query] ?? null,
      bm25_rank: ranks[query]?.get(key) ?? null,
      duplicates: groups.get(key) ?? null,
    };
  };
}

/** For each query that ranks any, the rank of each of its documents by key. */
export function ranksByQuery({ query, rank, key }: RankedDocuments): Map<number, number>[] {
  const ranks: Map<number, number>[] = [];
  for (const [i, q] of query.entries()) {
    ranks[q] ??= new Map();
    ranks[q].set(key[i], rank[i]);
  }
  return ranks;
}

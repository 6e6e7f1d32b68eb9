/** The rows of bm25_documents: what shared words alone would rank, beside each document's place by influence. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import { type RankedDocuments, rankingStarts } from '../../accumulators/rankedHeaps.ts';
import { type CorpusDocuments, documentAt } from '../../documents/corpusDocument.ts';
import type { Columns } from '../writeTable.ts';
import { ranksByQuery } from './documentRows.ts';

export const bm25Columns: Columns = {
  query_id: 'string',
  rank: 'int32',
  bm25: 'double',
  document_id: 'string',
  source: 'string?',
  kind: 'string?',
  file: 'string',
  row: 'int64',
  text: 'string',
  /** Influence; null, as is its rank, beyond the top k by influence. */
  score: 'double?',
  influence_rank: 'int32?',
};

/** `influence` is the top end of the ranking by influence, `files` are the corpus's files in its order. */
export function* bm25Rows(
  { query, rank, score, key }: RankedDocuments,
  influence: RankedDocuments,
  queries: readonly Query[],
  documents: CorpusDocuments,
  files: readonly string[],
): Generator<TableRow> {
  const starts = rankingStarts(influence, queries.length);
  const ranks = ranksByQuery(influence);
  for (let i = 0; i < key.length; ++i) {
    const { id, source, kind = null, file, row, text } = documentAt(documents, key[i]);
    const influenceRank = ranks[query[i]]?.get(key[i]) ?? null;
    yield {
      query_id: queries[query[i]].id,
      rank: rank[i],
      bm25: score[i],
      document_id: id,
      source,
      kind,
      file: files[file],
      row,
      text,
      score: influenceRank && influence.score[starts[query[i]] + influenceRank - 1],
      influence_rank: influenceRank,
    };
  }
}

/** The rows of sources: how often each source stands among a query's top and bottom k documents, against its share of the corpus. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { SourceCounts } from '../../accumulators/sourceCounts.ts';
import type { RankedDocuments, TopDocuments } from '../../accumulators/topDocuments.ts';
import type { Columns } from '../writeTable.ts';
import { type CorpusDocuments, documentAt, rankingStarts } from './documentRows.ts';

export const sourceColumns: Columns = {
  query_id: 'string',
  source: 'string',
  /** A row for each k: the columns below speak of the k highest and the k lowest scores. */
  k: 'int32',
  /** Scored documents of the source in the corpus; null when there were too many sources to count. */
  documents: 'int64?',
  share_of_corpus: 'double?',
  in_top_k: 'int32',
  /** (in_top_k / k) / share_of_corpus, with fewer than k documents in place of k: above 1, the source is over-represented. */
  top_ratio: 'double?',
  in_bottom_k: 'int32',
  bottom_ratio: 'double?',
};

/** The k of the table, as far as the rankings reach; topK itself is always one. */
export const sourceDepths = (topK: number): number[] => [...[10, 50, 100].filter((k) => k < topK), topK];

/**
 * Every source for every query and k, the largest first. Where the counts were given up, the sources that are ranked at all, by name;
 * no rows where no source column is configured.
 */
export function* sourceRows(
  { top, bottom }: TopDocuments,
  counts: SourceCounts,
  queries: readonly Query[],
  documents: CorpusDocuments,
  topK: number,
): Generator<TableRow> {
  const tops = sourcesOfRankings(top, queries.length, documents);
  const bottoms = sourcesOfRankings(bottom, queries.length, documents);
  const sources: { source: string; documents: number | null }[] = counts.givenUp
    ? [...new Set([...tops, ...bottoms].flat())].sort().map((source) => ({ source, documents: null }))
    : counts.sources;
  for (let q = 0; q < queries.length; ++q)
    for (const k of sourceDepths(topK)) {
      const depth = Math.min(k, counts.documents);
      const [inTop, inBottom] = [occurrences(tops[q], k), occurrences(bottoms[q], k)];
      for (const { source, documents: held } of sources) {
        const share = held === null ? null : held / counts.documents;
        const [in_top_k, in_bottom_k] = [inTop.get(source) ?? 0, inBottom.get(source) ?? 0];
        yield {
          query_id: queries[q].id,
          source,
          k,
          documents: held,
          share_of_corpus: share,
          in_top_k,
          top_ratio: share && in_top_k / depth / share,
          in_bottom_k,
          bottom_ratio: share && in_bottom_k / depth / share,
        };
      }
    }
}

/** The sources of each query's ranked documents, in rank order. */
function sourcesOfRankings(ranked: RankedDocuments, queries: number, documents: CorpusDocuments): string[][] {
  const starts = rankingStarts(ranked, queries);
  return Array.from({ length: queries }, (_, q) =>
    Array.from(ranked.key.subarray(starts[q], starts[q + 1]), (key) => documentAt(documents, key).source ?? []).flat(),
  );
}

function occurrences(sources: string[], k: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const source of sources.slice(0, k)) counts.set(source, (counts.get(source) ?? 0) + 1);
  return counts;
}

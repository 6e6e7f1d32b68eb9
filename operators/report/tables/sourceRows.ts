/** The rows of sources and kinds: how often each stands among a query's top and bottom k documents, against its share of the corpus. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { KindCounts } from '../../accumulators/kindCounts.ts';
import {
  countLabels,
  type LabelCounts,
  overRepresentation,
  overRepresentationByTask,
} from '../../accumulators/overRepresentation.ts';
import type { SourceCounts } from '../../accumulators/sourceCounts.ts';
import type { TopDocuments } from '../../accumulators/topDocuments.ts';
import { type CorpusDocuments, documentAt } from '../../documents/corpusDocument.ts';
import type { Columns } from '../writeTable.ts';

type Label = 'source' | 'kind';

const columnsOf = (label: Label): Columns => ({
  query_id: 'string',
  [label]: 'string',
  /** A row for each k: the columns below speak of the k highest and the k lowest scores. */
  k: 'int32',
  /** Scored documents of the label in the corpus; null when there were too many labels to count. */
  documents: 'int64?',
  share_of_corpus: 'double?',
  in_top_k: 'int32',
  /** (in_top_k / k) / share_of_corpus, with fewer than k documents in place of k: above 1, the label is over-represented. */
  top_ratio: 'double?',
  in_bottom_k: 'int32',
  bottom_ratio: 'double?',
  /** The probability of at least so many among k documents drawn without regard to rank (hypergeometric). */
  top_p: 'double?',
  bottom_p: 'double?',
});

const taskColumnsOf = (label: Label): Columns => ({
  task: 'string',
  [label]: 'string',
  k: 'int32',
  queries: 'int32',
  documents: 'int64?',
  share_of_corpus: 'double?',
  /** Summed over the task's queries, as is in_bottom_k; the ratios are those of the sums. */
  in_top_k: 'int64',
  top_ratio: 'double?',
  /** Queries whose top_p is below 0.05 / (the top_p and bottom_p of the table by query): Bonferroni's correction. */
  over_represented: 'int32',
  in_bottom_k: 'int64',
  bottom_ratio: 'double?',
  bottom_over_represented: 'int32',
});

export const sourceColumns = columnsOf('source');
export const sourceTaskColumns = taskColumnsOf('source');
export const kindColumns = columnsOf('kind');
export const kindTaskColumns = taskColumnsOf('kind');

/**
 * Every source for every query and k, the largest source first. Where the counts were given up, the sources that are ranked at all, by
 * name; no rows where no source column is configured.
 */
export const sourceRows = (...ranked: RankedSources): Generator<TableRow> =>
  labelRows('source', countSources(...ranked), ranked[2]);

/** The same by task. */
export const sourceTaskRows = (...ranked: RankedSources): Generator<TableRow> =>
  labelTaskRows('source', countSources(...ranked), ranked[2]);

/** The same as `sourceRows` for the kinds of documents. */
export const kindRows = (...ranked: RankedKinds): Generator<TableRow> =>
  labelRows('kind', countKinds(...ranked), ranked[2]);

export const kindTaskRows = (...ranked: RankedKinds): Generator<TableRow> =>
  labelTaskRows('kind', countKinds(...ranked), ranked[2]);

type RankedSources = [
  top: TopDocuments,
  counts: SourceCounts,
  queries: readonly Query[],
  documents: CorpusDocuments,
  topK: number,
];

/** `kinds` are those of the ranked documents by key; a document that is not in it has none. */
type RankedKinds = [
  top: TopDocuments,
  counts: KindCounts,
  queries: readonly Query[],
  kinds: ReadonlyMap<number, string>,
  topK: number,
];

function countSources(...[top, counts, { length: queries }, documents, topK]: RankedSources): LabelCounts {
  const labels = counts.sources.map(({ source, documents }) => ({ label: source, documents }));
  return countLabels(top, { ...counts, labels }, (key) => documentAt(documents, key).source, { queries, topK });
}

function countKinds(...[top, counts, { length: queries }, kinds, topK]: RankedKinds): LabelCounts {
  const labels = counts.kinds.map(({ kind, documents }) => ({ label: kind, documents }));
  return countLabels(top, { ...counts, labels }, (key) => kinds.get(key) ?? null, { queries, topK });
}

function* labelRows(column: Label, counts: LabelCounts, queries: readonly Query[]): Generator<TableRow> {
  for (const { query, label, k, documents, shareOfCorpus, top, bottom } of overRepresentation(counts))
    yield {
      query_id: queries[query].id,
      [column]: label,
      k,
      documents,
      share_of_corpus: shareOfCorpus,
      in_top_k: top.inK,
      top_ratio: top.ratio,
      in_bottom_k: bottom.inK,
      bottom_ratio: bottom.ratio,
      top_p: top.p,
      bottom_p: bottom.p,
    };
}

function* labelTaskRows(column: Label, counts: LabelCounts, queries: readonly Query[]): Generator<TableRow> {
  const tasks = queries.map(({ task }) => task);
  for (const { label, shareOfCorpus, top, bottom, ...row } of overRepresentationByTask(counts, tasks))
    yield {
      task: row.task,
      [column]: label,
      k: row.k,
      queries: row.queries,
      documents: row.documents,
      share_of_corpus: shareOfCorpus,
      in_top_k: top.inK,
      top_ratio: top.ratio,
      over_represented: top.overRepresented,
      in_bottom_k: bottom.inK,
      bottom_ratio: bottom.ratio,
      bottom_over_represented: bottom.overRepresented,
    };
}

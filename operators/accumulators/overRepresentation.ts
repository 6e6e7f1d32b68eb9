/** Which labels (sources, kinds) stand oftener among a query's top and bottom documents than in the corpus, and how likely that is by chance. */
import { significanceLevel } from './correlations.ts';
import { type RankedDocuments, rankingsOf } from './rankedHeaps.ts';
import { byTask } from './tasks/spread.ts';
import type { TopDocuments } from './topDocuments.ts';

/** The labels of the corpus, as a fold counted them. */
export interface CorpusLabels {
  /** Scored documents, with a label or not. */
  documents: number;
  labels: { label: string; documents: number }[];
  /** True: there were too many to count, and `labels` is empty. */
  givenUp: boolean;
}

/** The k of the tables, as far as the rankings reach; topK itself is always one. */
export const rankingDepths = (topK: number): number[] => [...[10, 20, 50, 100, 200, 500].filter((k) => k < topK), topK];

/** One end of one query's ranking, down to k. */
export interface EndCount {
  /** Documents with the label. */
  inK: number;
  /** (inK / k) / share of the corpus, with fewer than k documents in place of k: above 1, the label is over-represented. */
  ratio: number | null;
  /** The probability that k documents drawn without regard to rank hold at least so many with the label. */
  p: number | null;
}

/** Null stands where the label's documents in the corpus are not known. */
export interface OverRepresentation {
  query: number;
  label: string;
  k: number;
  /** Scored documents with the label. */
  documents: number | null;
  shareOfCorpus: number | null;
  top: EndCount;
  bottom: EndCount;
}

/** One end of the rankings of a task's queries, down to k. */
export interface TaskEndCount {
  /** Documents with the label, summed over the queries. */
  inK: number;
  /** Of the sums. */
  ratio: number | null;
  /** Queries whose p, times the number of tests of the table by query, is below `significanceLevel` (Bonferroni). */
  overRepresented: number;
}

export interface TaskOverRepresentation {
  task: string;
  label: string;
  k: number;
  queries: number;
  documents: number | null;
  shareOfCorpus: number | null;
  top: TaskEndCount;
  bottom: TaskEndCount;
}

/** A label of the corpus; null where its documents are not known. */
interface LabelShare {
  label: string;
  documents: number | null;
  shareOfCorpus: number | null;
}

/** (Q) Label → documents of it down to each depth. */
type Occurrences = Map<string, number>[][];

/** What was counted, from which both tables are made. */
export interface LabelCounts {
  depths: number[];
  top: Occurrences;
  bottom: Occurrences;
  /** Scored documents, with a label or not. */
  documents: number;
  labels: LabelShare[];
}

/**
 * Counts the labels of the ranked documents. Where those of the corpus were given up, the labels are the ranked ones, by name.
 * `labelOf` gives null for a document without a label.
 */
export function countLabels(
  { top, bottom }: TopDocuments,
  { documents, labels, givenUp }: CorpusLabels,
  labelOf: (key: number) => string | null,
  { queries, topK }: { queries: number; topK: number },
): LabelCounts {
  const depths = rankingDepths(topK);
  const counts = [top, bottom].map((ranked) => occurrencesIn(ranked, labelOf, queries, depths));
  const shares = givenUp
    ? labelsIn(counts.flat()).map((label) => ({ label, documents: null, shareOfCorpus: null }))
    : labels.map((label) => ({ ...label, shareOfCorpus: label.documents / documents }));
  return { depths, top: counts[0], bottom: counts[1], documents, labels: shares };
}

/** Every label for every query and depth, in the order of the labels. */
export function* overRepresentation(counts: LabelCounts): Generator<OverRepresentation> {
  for (const query of counts.top.keys())
    for (const [d, k] of counts.depths.entries())
      for (const share of counts.labels) {
        const end = (occurrences: Occurrences) => endCount(occurrences[query][d], share, k, counts.documents);
        yield { query, k, ...share, top: end(counts.top), bottom: end(counts.bottom) };
      }
}

/** Task by task in the order of the queries, every label at every depth. Queries without a task are left out; `tasks` is (Q). */
export function* overRepresentationByTask(
  counts: LabelCounts,
  tasks: readonly string[],
): Generator<TaskOverRepresentation> {
  const level = significanceLevel / testsOf(counts);
  const everyQuery = tasks.map((_, query) => ({ query }));
  for (const [task, queries] of byTask(everyQuery, tasks))
    for (const [d, k] of counts.depths.entries())
      for (const share of counts.labels) {
        const end = (occurrences: Occurrences) => {
          const each = queries.map(({ query }) => endCount(occurrences[query][d], share, k, counts.documents));
          return taskEndCount(each, share, Math.min(k, counts.documents), level);
        };
        yield { task, k, queries: queries.length, ...share, top: end(counts.top), bottom: end(counts.bottom) };
      }
}

/** The tests of the table by query: one for each label, depth and end of each query's ranking. */
const testsOf = ({ labels, depths, top }: LabelCounts): number => 2 * labels.length * depths.length * top.length;

function endCount(occurrences: Map<string, number>, share: LabelShare, k: number, all: number): EndCount {
  const inK = occurrences.get(share.label) ?? 0;
  const drawn = Math.min(k, all);
  return {
    inK,
    ratio: share.shareOfCorpus && inK / drawn / share.shareOfCorpus,
    p: share.documents === null ? null : atLeast(inK, drawn, share.documents, all),
  };
}

function taskEndCount(each: EndCount[], { shareOfCorpus }: LabelShare, drawn: number, level: number): TaskEndCount {
  const inK = each.reduce((sum, end) => sum + end.inK, 0);
  return {
    inK,
    ratio: shareOfCorpus && inK / (drawn * each.length) / shareOfCorpus,
    overRepresented: each.filter(({ p }) => p !== null && p < level).length,
  };
}

function occurrencesIn(
  ranked: RankedDocuments,
  labelOf: (key: number) => string | null,
  queries: number,
  depths: number[],
): Occurrences {
  return rankingsOf(ranked, queries).map(({ key }) => {
    const labels = Array.from(key, labelOf);
    return depths.map((k) => {
      const counts = new Map<string, number>();
      for (const label of labels.slice(0, k)) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
      return counts;
    });
  });
}

/** The labels at the largest depth of any ranking. */
const labelsIn = (occurrences: Occurrences): string[] =>
  [...new Set(occurrences.flatMap((depths) => [...depths[depths.length - 1].keys()]))].sort();

/**
 * P(X >= x) for the number X of marked documents among n drawn without replacement from N, of which K are marked (hypergeometric). Exact
 * to a dozen digits, and 0 where it is below the smallest float64: the terms are multiplied up from the largest one, whose value is not
 * needed because all of them add up to 1. No logarithm of a factorial is subtracted from another, which at N = 5,000,000 costs eight digits.
 */
export function atLeast(x: number, n: number, K: number, N: number): number {
  const lowest = Math.max(0, n - (N - K));
  const highest = Math.min(n, K);
  if (x <= lowest) return 1;
  if (x > highest) return 0;
  /** P(X = i + 1) / P(X = i). */
  const ratio = (i: number) => ((K - i) * (n - i)) / ((i + 1) * (N - K - n + i + 1));
  const mode = Math.min(highest, Math.max(lowest, Math.floor(((n + 1) * (K + 1)) / (N + 2))));
  const sums = { below: 0, above: 0 };
  let term = 1;
  for (let i = mode; i <= highest; term *= ratio(i++)) sums[i < x ? 'below' : 'above'] += term;
  term = 1;
  for (let i = mode; i > lowest; --i) {
    term /= ratio(i - 1);
    sums[i - 1 < x ? 'below' : 'above'] += term;
  }
  return sums.above / (sums.below + sums.above);
}

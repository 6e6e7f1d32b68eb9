/** How much positive influence the top x % of positively ranked documents hold, per nat of information in the query's completion. */
import type { InfluenceDistribution, ScoreBins } from './influenceDistribution.ts';
import { rankingsOf } from './rankedHeaps.ts';
import { byTask, spreadOf } from './tasks/spread.ts';
import type { TopDocuments } from './topDocuments.ts';

/** The shares that are looked at, in percent of a query's positively ranked documents. */
export const percents = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100] as const;

export interface InfluenceShare {
  query: number;
  percent: number;
  /** ⌈percent · P / 100⌉ of the query's P positively ranked documents: those of the highest scores. */
  documents: number;
  /** The sum of their scores. */
  influence: number;
  /** influence / f_q; null where the completion's nats are unknown or 0. */
  perNat: number | null;
}

/** The spread of `perNat` over a task's queries. */
export interface TaskInfluenceShare {
  task: string;
  percent: number;
  /** Queries of the task in which `perNat` is known. */
  queries: number;
  mean: number;
  /** Null for a single query. */
  standardDeviation: number | null;
  /** standardDeviation / mean. */
  coefficientOfVariation: number | null;
  min: number;
  max: number;
}

/**
 * Query by query, the smallest share first; shares of less than one document are left out, and so are queries that no document ranks
 * positively for. Sums are exact within the ranking and for all documents; in between a bin of the histogram is split, so that they
 * are within 1 % (see `sumOfLargest`). `nats` is (Q): f_q, null where it is unknown.
 */
export function influencePerNat(
  { top }: TopDocuments,
  distributions: readonly InfluenceDistribution[],
  nats: readonly (number | null)[],
): InfluenceShare[] {
  return rankingsOf(top, distributions.length).flatMap(({ score }, query) => {
    const { positive } = distributions[query];
    const ranked = score.filter((s) => s > 0);
    const rest = notRanked(positive, ranked);
    const reached = percents.filter((percent) => percent * positive.documents >= 100);
    return reached.map((percent) => {
      const documents = shareOf(positive.documents, percent);
      const influence = sumOfLargest(documents, ranked, rest);
      const completion = nats[query];
      return { query, percent, documents, influence, perNat: completion ? influence / completion : null };
    });
  });
}

/** Task by task in the order of the queries, the smallest share first. `tasks` is (Q). */
export function influencePerNatByTask(
  shares: readonly InfluenceShare[],
  tasks: readonly string[],
): TaskInfluenceShare[] {
  return [...byTask(shares, tasks)].flatMap(([task, own]) =>
    percents.flatMap((percent) => {
      const known = own.flatMap((share) => (share.percent === percent ? (share.perNat ?? []) : []));
      return known.length > 0 ? [taskShare(task, percent, known)] : [];
    }),
  );
}

function taskShare(task: string, percent: number, perNat: number[]): TaskInfluenceShare {
  const { count, mean, standardDeviation, min, max } = spreadOf(perNat);
  const coefficientOfVariation = standardDeviation === null ? null : standardDeviation / mean;
  return { task, percent, queries: count, mean, standardDeviation, coefficientOfVariation, min, max };
}

/** ⌈percent · documents / 100⌉; what rounding adds to the product makes no document more. */
const shareOf = (documents: number, percent: number): number =>
  Math.ceil(((percent * documents) / 100) * (1 - 2 * Number.EPSILON));

/** Count and sum of the documents of each bin that the ranking does not hold. */
function notRanked(bins: ScoreBins, ranked: Float64Array): { count: number; sum: number }[] {
  let next = 0;
  return Array.from(bins.lower, (lower, bin) => {
    let [count, sum] = [bins.count[bin], bins.sum[bin]];
    for (; next < ranked.length && ranked[next] >= lower; ++next) {
      count -= 1;
      sum -= ranked[next];
    }
    return { count, sum };
  });
}

/**
 * The sum of the n largest scores: those of the ranking, then whole bins, and of the last bin its mean as often as it is needed, which is
 * less than a bin's width from the truth in each of them.
 */
function sumOfLargest(n: number, ranked: Float64Array, rest: { count: number; sum: number }[]): number {
  const exact = ranked.subarray(0, n);
  let total = exact.reduce((sum, score) => sum + score, 0);
  let left = n - exact.length;
  for (const { count, sum } of rest) {
    if (left === 0) break;
    const taken = Math.min(left, count);
    if (taken > 0) total += taken === count ? sum : sum * (taken / count);
    left -= taken;
  }
  return total;
}

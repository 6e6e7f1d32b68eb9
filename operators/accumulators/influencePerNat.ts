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
  /** standardDeviation / mean; null for a mean of 0 too. */
  coefficientOfVariation: number | null;
  min: number;
  max: number;
}

/**
 * Query by query, the smallest share first; shares of less than one document are left out, and so are queries that no document ranks
 * positively for. Sums are exact within the ranking and for all documents, and within 0.8 % in between, where a bin of the histogram is
 * split. `nats` is (Q): f_q, null where it is unknown.
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
  const coefficientOfVariation = standardDeviation === null || mean === 0 ? null : standardDeviation / mean;
  return { task, percent, queries: count, mean, standardDeviation, coefficientOfVariation, min, max };
}

/** ⌈percent · documents / 100⌉; what rounding adds to the product makes no document more. */
const shareOf = (documents: number, percent: number): number =>
  Math.ceil(((percent * documents) / 100) * (1 - 2 * Number.EPSILON));

/** Documents between `lower` and `upper` that the ranking does not hold. */
interface Rest {
  lower: number;
  upper: number;
  count: number;
  sum: number;
}

/** The bins without what the ranking holds of them. */
function notRanked(bins: ScoreBins, ranked: Float64Array): Rest[] {
  let next = 0;
  return Array.from(bins.lower, (lower, bin) => {
    const rest = { lower, upper: bins.upper[bin], count: bins.count[bin], sum: bins.sum[bin] };
    for (; next < ranked.length && ranked[next] >= lower; ++next) {
      rest.count -= 1;
      rest.sum -= ranked[next];
    }
    return rest;
  });
}

/** The sum of the n largest scores: those of the ranking, then whole bins, then the largest of the last bin that is needed. */
function sumOfLargest(n: number, ranked: Float64Array, rest: Rest[]): number {
  const exact = ranked.subarray(0, n);
  let total = exact.reduce((sum, score) => sum + score, 0);
  let left = n - exact.length;
  for (const bin of rest) {
    if (left === 0) break;
    const taken = Math.min(left, bin.count);
    total += largestOf(bin, taken);
    left -= taken;
  }
  return total;
}

/**
 * The sum of the n largest of a bin: halfway between the least that it can be, n times the mean, and the most. These are less than 1/64
 * apart, so that the sum is within 0.8 %.
 */
function largestOf({ lower, upper, count, sum }: Rest, n: number): number {
  if (n === 0) return 0;
  if (n === count) return sum;
  const least = sum * (n / count);
  const most = Math.min(n * upper, sum - (count - n) * lower);
  return (least + most) / 2;
}

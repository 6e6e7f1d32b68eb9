/** The correlations of query pairs gathered by task: within each task, and between each two. */
import type { Correlations } from '../correlations.ts';
import { type Spread, spreadOf } from './spread.ts';

/** The pairs of one query of each task; of two queries of the task where both are the same. */
export interface CorrelationGroup {
  taskA: string;
  /** Not before `taskA` in the order of code units. */
  taskB: string;
  pairs: number;
  /** Pairs without r. */
  undefinedPairs: number;
  /** Pairs that are significant among all pairs of all queries. */
  significant: number;
  /** Of r; null where no pair has one. */
  r: (Spread & { median: number }) | null;
}

/** Sorted by task. Queries without a task, and tasks of a single query with itself, make no group. `tasks` is (Q). */
export function correlationGroups(
  { queryA, queryB, r, significant }: Correlations,
  tasks: readonly string[],
): CorrelationGroup[] {
  const groups = new Map<string, Map<string, number[]>>();
  for (let pair = 0; pair < r.length; ++pair) {
    const [a, b] = [tasks[queryA[pair]], tasks[queryB[pair]]].sort(byCodeUnit);
    if (a !== '') pairsOf(groups, a, b).push(pair);
  }
  return sorted(groups).flatMap(([taskA, others]) =>
    sorted(others).map(([taskB, pairs]) => {
      const defined = pairs.map((pair) => r[pair]).filter((value) => !Number.isNaN(value));
      return {
        taskA,
        taskB,
        pairs: pairs.length,
        undefinedPairs: pairs.length - defined.length,
        significant: pairs.filter((pair) => significant[pair]).length,
        r: defined.length > 0 ? { ...spreadOf(defined), median: median(defined) } : null,
      };
    }),
  );
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const sorted = <V>(map: Map<string, V>): [string, V][] => [...map].sort(([a], [b]) => byCodeUnit(a, b));

function pairsOf(groups: Map<string, Map<string, number[]>>, a: string, b: string): number[] {
  const others = groups.get(a) ?? new Map<string, number[]>();
  const pairs = others.get(b) ?? [];
  groups.set(a, others.set(b, pairs));
  return pairs;
}

function median(values: number[]): number {
  const ascending = Float64Array.from(values).sort();
  const middle = (values.length - 1) / 2;
  return (ascending[Math.floor(middle)] + ascending[Math.ceil(middle)]) / 2;
}

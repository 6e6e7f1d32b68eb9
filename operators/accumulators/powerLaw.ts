/** How fast influence falls with rank: the straight line through the logarithms of both, for each query's top documents. */
import { rankingsOf } from './rankedHeaps.ts';
import { byTask, spreadOf } from './tasks/spread.ts';
import type { TopDocuments } from './topDocuments.ts';

/** As many documents as the paper fits its lines to. */
export const powerLawDepth = 500;

/** ln score = intercept + slope · ln rank, by least squares. */
export interface Line {
  slope: number;
  intercept: number;
  /** Of the slope. */
  standardError: number;
  rSquared: number;
}

export interface PowerLaw {
  query: number;
  /** Positively ranked documents that the line is fitted to, at most `powerLawDepth`. */
  documents: number;
  /** Null for fewer than three documents, and where all have the same score. */
  line: Line | null;
}

/** Over the task's queries that have a line. */
export interface TaskPowerLaw {
  task: string;
  queries: number;
  meanSlope: number;
  /** Null for a single query. */
  slopeDeviation: number | null;
  meanRSquared: number;
}

/** (Q) The law of each query, from the positive scores of its ranking. */
export function powerLaw({ top }: TopDocuments, queries: number): PowerLaw[] {
  return rankingsOf(top, queries).map(({ score }, query) => {
    const positive = score.subarray(0, powerLawDepth).filter((s) => s > 0);
    return { query, documents: positive.length, line: fitLine(positive) };
  });
}

/** Task by task in the order of the queries. `tasks` is (Q). */
export function powerLawByTask(laws: readonly PowerLaw[], tasks: readonly string[]): TaskPowerLaw[] {
  return [...byTask(laws, tasks)].flatMap(([task, own]) => {
    const lines = own.flatMap(({ line }) => line ?? []);
    if (lines.length === 0) return [];
    const slopes = spreadOf(lines.map(({ slope }) => slope));
    const { mean: meanRSquared } = spreadOf(lines.map(({ rSquared }) => rSquared));
    const { count, mean, standardDeviation } = slopes;
    return { task, queries: count, meanSlope: mean, slopeDeviation: standardDeviation, meanRSquared };
  });
}

/** Scores in rank order, from rank 1. */
function fitLine(scores: Float64Array): Line | null {
  const n = scores.length;
  const x = scores.map((_, i) => Math.log(i + 1));
  const y = scores.map(Math.log);
  // scores that differ in their last bit may have one logarithm
  if (n < 3 || y[0] === y[n - 1]) return null;
  const [meanX, meanY] = [x, y].map((values) => values.reduce((sum, value) => sum + value, 0) / n);
  const sum = (term: (dx: number, dy: number) => number) =>
    x.reduce((total, value, i) => total + term(value - meanX, y[i] - meanY), 0);
  const squaresOfX = sum((dx) => dx * dx);
  const slope = sum((dx, dy) => dx * dy) / squaresOfX;
  const residual = sum((dx, dy) => (dy - slope * dx) ** 2);
  return {
    slope,
    intercept: meanY - slope * meanX,
    standardError: Math.sqrt(residual / (n - 2) / squaresOfX),
    rSquared: 1 - residual / sum((_, dy) => dy * dy),
  };
}

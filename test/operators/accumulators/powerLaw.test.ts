import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PowerLaw, powerLaw, powerLawByTask } from '../../../operators/accumulators/powerLaw.ts';
import { type TopDocuments, topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import { composedFold } from './composedFold.ts';
import { foldLaws, lawFacts } from './foldLaws.ts';

/** Rankings of the given scores, which descend. */
function ranking(...queries: number[][]): TopDocuments {
  const rows = queries.flatMap((scores, query) => scores.map((score, i) => ({ query, score, rank: i + 1 })));
  const top = {
    query: Uint32Array.from(rows, ({ query }) => query),
    rank: Uint32Array.from(rows, ({ rank }) => rank),
    score: Float64Array.from(rows, ({ score }) => score),
    key: Float64Array.from(rows, (_, i) => i),
  };
  return { top, bottom: top };
}

const lawOf = (scores: number[]): PowerLaw => powerLaw(ranking(scores), 1)[0];

/** The slow, obvious version: the normal equations of the design matrix [1, ln rank], solved by Cramer's rule, and the residuals one by one. */
function slowLine(scores: number[]) {
  const points = scores.map((score, i) => ({ x: Math.log(i + 1), y: Math.log(score) }));
  const sum = (term: (point: { x: number; y: number }) => number) => points.reduce((total, p) => total + term(p), 0);
  const [n, sx, sy, sxx, sxy] = [points.length, sum(({ x }) => x), sum(({ y }) => y), sum(({ x }) => x * x), sum(({ x, y }) => x * y)]; // biome-ignore format: one line
  const determinant = n * sxx - sx * sx;
  const [intercept, slope] = [(sy * sxx - sx * sxy) / determinant, (n * sxy - sx * sy) / determinant];
  const residuals = sum(({ x, y }) => (y - intercept - slope * x) ** 2);
  const standardError = Math.sqrt((residuals / (n - 2)) * (n / determinant));
  return { slope, intercept, standardError, rSquared: 1 - residuals / sum(({ y }) => (y - sy / n) ** 2) };
}

describe('powerLaw', () => {
  test('gives back the slope of scores that follow a power of rank', () => {
    const scores = Array.from({ length: 500 }, (_, i) => 3 * (i + 1) ** -0.36);
    const { documents, line } = lawOf(scores);
    expect(documents).toBe(500);
    expect(line!.slope).toBeCloseTo(-0.36, 12);
    expect(line!.intercept).toBeCloseTo(Math.log(3), 12);
    expect(line!.standardError).toBeLessThan(1e-12);
    expect(line!.rSquared).toBeCloseTo(1, 12);
  });

  test("gives the line, the slope's standard error and R² that scipy.stats.linregress gives", () => {
    // linregress(log(arange(1, 9)), log(scores)), scipy 1.17.1
    const { line } = lawOf([9, 7.5, 4, 3.9, 3.1, 2, 1.5, 1.4]);
    const expected = {
      slope: -0.9439973264465441,
      intercept: 2.4420752421416467,
      standardError: 0.11414163332045135,
      rSquared: 0.919354371152452,
    };
    for (const [name, value] of Object.entries(expected))
      expect(Math.abs(line![name as keyof typeof expected] / value - 1)).toBeLessThan(1e-12);
  });

  test('equals the normal equations on random scores', () => {
    const scores = fc.array(fc.integer({ min: 1, max: 99_999 }), { minLength: 3, maxLength: 60 });
    fc.assert(
      fc.property(scores, (drawn) => {
        const descending = drawn.sort((a, b) => b - a);
        fc.pre(descending[0] > descending[descending.length - 1]);
        const { line } = lawOf(descending);
        for (const [name, value] of Object.entries(slowLine(descending)))
          expect(line![name as keyof typeof line]).toBeCloseTo(value, 7);
      }),
    );
  });

  test('takes no document beyond the first 500, and none whose score is not positive', () => {
    const scores = Array.from({ length: 600 }, (_, i) => (i < 500 ? 5 * (i + 1) ** -0.5 : 1e-9));
    expect(lawOf(scores)).toMatchObject({ documents: 500 });
    expect(lawOf(scores).line!.slope).toBeCloseTo(-0.5, 12);
    expect(lawOf([4, 2, 1, 0, -3])).toEqual(lawOf([4, 2, 1]));
  });

  test('leaves the line undefined for fewer than three documents and for equal scores', () => {
    expect(lawOf([])).toEqual({ query: 0, documents: 0, line: null });
    expect(lawOf([2, 1])).toEqual({ query: 0, documents: 2, line: null });
    expect(lawOf([2, 2, 2, 2])).toEqual({ query: 0, documents: 4, line: null });
    expect(lawOf([1e300 * (1 + 2 ** -52), 1e300, 1e300]).line).toBeNull();
    expect(lawOf([2, 2, 1]).line).not.toBeNull();
  });

  test('keeps queries apart, also those without a ranking', () => {
    const laws = powerLaw(ranking([4, 2, 1], [], [9, 3, 1]), 3);
    expect(laws.map(({ documents }) => documents)).toEqual([3, 0, 3]);
    expect(laws[2].line).toEqual(lawOf([9, 3, 1]).line);
  });
});

describe('powerLawByTask', () => {
  test('gives mean and deviation over the queries of a task that have a line', () => {
    const laws = powerLaw(ranking([4, 2, 1], [1], [9, 3, 1], [8, 4, 3], [5, 4, 3]), 5);
    const [first, , third, fourth] = laws.map(({ line }) => line!);
    expect(powerLawByTask(laws, ['slopes', 'slopes', 'slopes', 'facts', ''])).toEqual([
      {
        task: 'slopes',
        queries: 2,
        meanSlope: (first.slope + third.slope) / 2,
        slopeDeviation: expect.closeTo(Math.abs(first.slope - third.slope) / Math.SQRT2, 12),
        meanRSquared: (first.rSquared + third.rSquared) / 2,
      },
      { task: 'facts', queries: 1, meanSlope: fourth.slope, slopeDeviation: null, meanRSquared: fourth.rSquared },
    ]);
  });

  test('leaves out a task none of whose queries has a line', () => {
    expect(powerLawByTask(powerLaw(ranking([1], []), 2), ['facts', 'facts'])).toEqual([]);
  });
});

foldLaws(composedFold('power_law', { top: topDocuments }, ({ top }) => powerLaw(top, lawFacts.queries.length)));

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  binsPerOctave,
  influenceDistribution,
  type ScoreBins,
} from '../../../operators/accumulators/influenceDistribution.ts';
import { inBatches } from './foldLaws.ts';

const drawn = { id: '', source: '', tokens: 1, loss: 1, extra: {}, reason: null };
const factsOf = (queries: number) => ({
  queries: Array.from({ length: queries }, (_, q) => `q${q}`),
  tasks: [],
  topK: 1,
  seed: 0,
});

function stateOf(table: number[][], sizes = [3]) {
  const state = influenceDistribution.empty(undefined, factsOf(table[0]?.length ?? 1));
  for (const batch of inBatches(
    table.map((scores) => ({ ...drawn, scores })),
    sizes,
  ))
    influenceDistribution.add(state, batch);
  return state;
}

const distributionOf = (table: number[][], sizes?: number[]) => influenceDistribution.result(stateOf(table, sizes));

/** The slow, obvious version: the edges by logarithms, a filter for each bin; the smallest are those 32 octaves below the largest's. */
function slowBins(magnitudes: number[]): [lower: number, count: number, sum: number][] {
  const octave = (x: number) => Math.floor(Math.log2(x));
  const smallest = Math.max(...magnitudes.map(octave)) - 31;
  const lowerOf = (x: number) => {
    const start = 2 ** octave(x);
    return octave(x) < smallest ? 0 : start * (1 + Math.floor((x / start - 1) * binsPerOctave) / binsPerOctave);
  };
  const lowers = [...new Set(magnitudes.map(lowerOf))].sort((a, b) => b - a);
  return lowers.map((lower) => {
    const own = magnitudes.filter((x) => lowerOf(x) === lower);
    return [lower, own.length, own.reduce((sum, x) => sum + x, 0)];
  });
}

function expectBins(bins: ScoreBins, magnitudes: number[]): void {
  const expected = slowBins(magnitudes);
  expect([...bins.lower]).toEqual(expected.map(([lower]) => lower));
  expect([...bins.count]).toEqual(expected.map(([, count]) => count));
  expect(bins.documents).toBe(magnitudes.length);
  expected.forEach(([, , sum], i) => {
    expect(Math.abs(bins.sum[i] / sum - 1)).toBeLessThan(1e-12);
  });
}

/** Away from the octaves' edges, where Math.log2 may round across. */
const magnitude = fc
  .tuple(fc.integer({ min: -40, max: 40 }), fc.integer({ min: 1, max: 9999 }))
  .map(([exponent, fraction]) => 2 ** exponent * (1 + fraction / 10_000));
const score = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(magnitude, fc.constantFrom(1, -1)).map(([x, sign]) => sign * x) },
  fc.constantFrom(0, -0),
);

describe('influenceDistribution', () => {
  test('counts and sums what a filter for each bin does, whatever the order and the batches', () => {
    const tables = fc.array(fc.array(score, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 80 });
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
    fc.assert(
      fc.property(tables, sizes, (table, sizes) => {
        distributionOf(table, sizes).forEach(({ positive, negative, zeros }, q) => {
          const column = table.map((scores) => scores[q]);
          expectBins(
            positive,
            column.filter((s) => s > 0),
          );
          expectBins(
            negative,
            column.filter((s) => s < 0).map((s) => -s),
          );
          expect(zeros).toBe(column.filter((s) => s === 0).length);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('merging parts gives the bins of the whole for scores of any magnitude', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.array(
            score.map((s) => [s]),
            { minLength: 1, maxLength: 30 },
          ),
          { minLength: 2, maxLength: 4 },
        ),
        (parts) => {
          const merged = stateOf(parts[0]);
          for (const part of parts.slice(1)) influenceDistribution.merge(merged, stateOf(part));
          const column = parts.flat(2);
          const [{ positive, negative }] = influenceDistribution.result(merged);
          expectBins(
            positive,
            column.filter((s) => s > 0),
          );
          expectBins(
            negative,
            column.filter((s) => s < 0).map((s) => -s),
          );
        },
      ),
    ));

  test('every score lies between the edges of its bin, which are at most 1/64 apart', () => {
    const table = Array.from({ length: 2000 }, (_, d) => [1.01 ** (d / 2) * 1e-3]);
    const [{ positive }] = distributionOf(table);
    positive.lower.forEach((lower, i) => {
      expect(positive.upper[i] / lower - 1).toBeLessThanOrEqual(1 / 64);
      const mean = positive.sum[i] / positive.count[i];
      expect(mean).toBeGreaterThanOrEqual(lower * (1 - 1e-12));
      expect(mean).toBeLessThan(positive.upper[i]);
    });
    expect(positive.documents).toBe(2000);
  });

  test('holds the smallest and the largest float64, in a window whose size is bounded', () => {
    const extremes = [Number.MIN_VALUE, 2.3e-308, 1e-300, 1, 1e290, Number.MAX_VALUE];
    const state = stateOf(extremes.flatMap((x) => [[x], [-x]]));
    const [{ positive, negative, zeros }] = influenceDistribution.result(state);
    for (const side of [positive, negative]) {
      expect([...side.count]).toEqual([1, 5]);
      expect([...side.lower]).toEqual([2 ** 1023 * (2 - 1 / binsPerOctave), 0]);
      expect(side.upper[1]).toBe(2 ** (1023 - 31));
    }
    expect(zeros).toBe(0);
    for (const { cells } of state.sides) expect(cells.length).toBeLessThanOrEqual(2 * 32 * binsPerOctave);
    expect(distributionOf([[Number.MIN_VALUE]])[0].positive).toMatchObject({ documents: 1, lower: Float64Array.of(0) });
  });

  test('counts a constant score of zero as nothing else', () => {
    const [{ positive, negative, zeros }] = distributionOf([[0], [-0], [0]]);
    expect([positive.documents, negative.documents, zeros]).toEqual([0, 0, 3]);
    expect(positive.lower).toHaveLength(0);
  });

  test.each([Number.NaN, Infinity, -Infinity])('refuses a score of %s', (bad) => {
    expect(() => distributionOf([[1], [2], [bad]])).toThrow(
      /influenceDistribution expected finite scores, got -?(NaN|Infinity) \(document key 2, query 0\): setAsideNotFinite comes before the folds/,
    );
  });
});

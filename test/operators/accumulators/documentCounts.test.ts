import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { documentCounts } from '../../../operators/accumulators/documentCounts.ts';
import { drawnBatches, inBatches, lawFacts } from './foldLaws.ts';

const countsOf = (batches: Parameters<typeof documentCounts.add>[1][]) => {
  const state = documentCounts.empty(undefined, lawFacts);
  for (const batch of batches) documentCounts.add(state, batch);
  return documentCounts.result(state);
};

const sumOfLosses = (losses: number[]) => {
  const drawn = { id: '', source: '', tokens: 1, scores: [0], extra: {}, reason: null };
  return countsOf(
    inBatches(
      losses.map((loss) => ({ ...drawn, loss })),
      [2],
    ),
  ).loss;
};

/** The slow, obvious version: float64 numbers as whole multiples of 2^-1074. */
function exactSum(values: number[]): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  return values.reduce((sum, value) => {
    bits.setFloat64(0, value);
    const exponent = (bits.getUint32(0) >>> 20) & 0x7ff;
    const fraction = bits.getBigUint64(0) & ((1n << 52n) - 1n);
    const multiples = exponent === 0 ? fraction : (fraction | (1n << 52n)) << BigInt(exponent - 1);
    return value < 0 ? sum - multiples : sum + multiples;
  }, 0n);
}

describe('documentCounts', () => {
  test('counts what a loop over the documents counts, and read = scored + set aside', () =>
    fc.assert(
      fc.property(drawnBatches(lawFacts), (batches) => {
        const got = countsOf(batches);
        const aside = batches.flatMap((batch) => batch.setAside);
        expect(got.scored).toBe(batches.reduce((sum, { key }) => sum + key.length, 0));
        expect(got.tokens).toBe(batches.flatMap(({ tokens }) => [...tokens]).reduce((sum, n) => sum + n, 0));
        for (const [reason, count] of Object.entries(got.setAside))
          expect(count).toBe(aside.filter((document) => document.reason === reason).length);
        expect(got.read).toBe(got.scored + aside.length);
      }),
    ));

  test('names every reason, those that never came up with 0', () => {
    expect(countsOf([])).toEqual({
      read: 0,
      scored: 0,
      setAside: {
        'null text': 0,
        'empty text': 0,
        'whitespace only': 0,
        'one token': 0,
        'invalid text': 0,
        'not finite': 0,
        operator: 0,
        crash: 0,
        deadline: 0,
        unreadable: 0,
      },
      tokens: 0,
      loss: 0,
    });
  });

  test('sums losses as if with unlimited digits, rounded once', () => {
    expect(sumOfLosses(Array(10).fill(0.1))).toBe(1);
    expect(sumOfLosses([2 ** 53, 1, 1])).toBe(2 ** 53 + 2);
    expect(sumOfLosses([1e200, 1, 1e-200])).toBe(1e200);
    const losses = fc.array(fc.double({ min: 0, max: 1e12, noNaN: true }), { maxLength: 50 });
    fc.assert(
      fc.property(losses, (values) => {
        const [sum, exact] = [sumOfLosses(values), exactSum(values)];
        const error = (candidate: number) => {
          const difference = exactSum([candidate]) - exact;
          return difference < 0n ? -difference : difference;
        };
        for (const neighbour of [sum * (1 + 2 ** -52), sum * (1 - 2 ** -53)])
          expect(error(sum) <= error(neighbour)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { packWindows } from '../../../operators/tokens/packWindows.ts';

function startsOf(lengths: number[]): { start: Uint32Array } {
  const start = new Uint32Array(lengths.length + 1);
  lengths.forEach((length, w) => {
    start[w + 1] = start[w] + length;
  });
  return { start };
}

const someLengths = fc.array(fc.integer({ min: 2, max: 600 }), { maxLength: 60 });
const longest = (batch: number[], lengths: number[]) => Math.max(...batch.map((w) => lengths[w]));

describe('packWindows', () => {
  test('holds every window once, within the padded size, longer windows alone', () => {
    fc.assert(
      fc.property(someLengths, fc.integer({ min: 2, max: 2000 }), (lengths, batchTokens) => {
        const { batches, tokens, padded } = packWindows(startsOf(lengths), batchTokens);
        expect(batches.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
        for (const batch of batches) {
          if (batch.length > 1) expect(longest(batch, lengths) * batch.length).toBeLessThanOrEqual(batchTokens);
          expect(batch).toEqual([...batch].sort((a, b) => a - b));
        }
        expect(tokens).toBe(lengths.reduce((a, b) => a + b, 0));
        expect(padded).toBe(batches.reduce((sum, batch) => sum + longest(batch, lengths) * batch.length, 0));
      }),
    );
  });

  test('gives the same batches for the same windows, from the longest to the shortest', () => {
    fc.assert(
      fc.property(someLengths, (lengths) => {
        const { batches } = packWindows(startsOf(lengths), 512);
        expect(packWindows(startsOf(lengths), 512).batches).toEqual(batches);
        const order = batches.map((batch) => longest(batch, lengths));
        expect(order).toEqual([...order].sort((a, b) => b - a));
      }),
    );
  });

  test('costs no more than any other way to cut the sorted windows', () => {
    const cheapest = (sorted: number[], batchTokens: number): number => {
      if (sorted.length === 0) return 0;
      const costs = sorted.map((_, n) => {
        const batch = sorted.slice(0, n + 1);
        const padded = batch[n] * batch.length;
        return padded > batchTokens && n > 0
          ? Number.POSITIVE_INFINITY
          : padded + 16 + cheapest(sorted.slice(n + 1), batchTokens);
      });
      return Math.min(...costs);
    };
    const few = fc.array(fc.integer({ min: 2, max: 100 }), { maxLength: 9 });
    fc.assert(
      fc.property(few, fc.integer({ min: 50, max: 400 }), (lengths, batchTokens) => {
        const { batches, padded } = packWindows(startsOf(lengths), batchTokens);
        const sorted = [...lengths].sort((a, b) => a - b);
        expect(padded + 16 * batches.length).toBe(cheapest(sorted, batchTokens));
      }),
    );
  });

  test('keeps windows of like length together and pads a typical slice by less than a twentieth', () => {
    expect(packWindows(startsOf([10, 500, 12, 250, 11, 250]), 512).batches).toEqual([[1], [3, 5], [0, 2, 4]]);
    // Lengths of web documents are about log-normal.
    const lengths = Array.from({ length: 40 }, (_, i) => Math.min(512, Math.round(Math.exp(5 + 2 * Math.sin(i * i)))));
    const { tokens, padded } = packWindows(startsOf(lengths), 512);
    expect(padded / tokens).toBeLessThan(1.05);
  });

  test('gives no batches for no windows', () => {
    expect(packWindows({ start: Uint32Array.of(0) }, 512)).toEqual({ batches: [], tokens: 0, padded: 0 });
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RepeatedIds, repeatedIds } from '../../../operators/accumulators/repeatedIds.ts';
import { inBatches, lawFacts } from './foldLaws.ts';

const drawn = { source: '', tokens: 1, loss: 1, scores: [0], extra: {}, reason: null };

function repeatedOf(ids: string[], settings?: { capacity: number }): RepeatedIds {
  const state = repeatedIds.empty(settings, lawFacts);
  const [batch] = inBatches([{ ...drawn, id: '' }], [1]);
  for (let i = 0; i < ids.length; i += 64) repeatedIds.add(state, { ...batch, id: ids.slice(i, i + 64) });
  return repeatedIds.result(state);
}

describe('repeatedIds', () => {
  test('is exact while the distinct ids fit', () =>
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom('a', 'b', ''), fc.string()), { maxLength: 100 }), (ids) => {
        const repeated = ids.length - new Set(ids).size;
        expect(repeatedOf(ids, { capacity: 128 })).toEqual({ documents: ids.length, repeated, exact: true });
      }),
      { numRuns: 300 },
    ));

  test('says when they no longer fit, at one id more', () => {
    const ids = Array.from({ length: 17 }, (_, i) => `id ${i}`);
    expect(repeatedOf(ids.slice(1), { capacity: 16 }).exact).toBe(true);
    expect(repeatedOf(ids, { capacity: 16 }).exact).toBe(false);
  });

  test('finds no repetition among a million numbered ids, and the right share within 3 % once ids come twice', () => {
    const ids = Array.from({ length: 1_000_000 }, (_, i) => `data/part-${i >> 14}.parquet:${i & 16383}`);
    expect(repeatedOf(ids)).toEqual({ documents: 1_000_000, repeated: 0, exact: false });
    const { repeated, exact } = repeatedOf([...ids, ...ids.slice(0, 200_000)]);
    expect(exact).toBe(false);
    expect(Math.abs(repeated / 200_000 - 1)).toBeLessThan(0.03);
  });

  test('tells apart 200,000 ids that differ in one character or in their order', () => {
    const short = Array.from({ length: 65_536 }, (_, i) => String.fromCharCode(i));
    const pairs = Array.from({ length: 130_000 }, (_, i) =>
      String.fromCharCode(97 + (i % 361), 97 + Math.floor(i / 361)),
    );
    expect(repeatedOf([...short, ...pairs])).toEqual({ documents: 195_536, repeated: 0, exact: true });
  });
});

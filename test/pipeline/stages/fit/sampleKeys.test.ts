import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partOfKeys, sampleKeys } from '../../../../pipeline/stages/fit/sampleKeys.ts';

const seeds = fc.nat(2 ** 32 - 1);
const counts = fc.integer({ min: 1, max: 300 });

describe('sampleKeys', () => {
  it('draws distinct keys of the range in ascending order, the same ones for the same seed', () => {
    const start = fc.oneof(fc.nat(50), fc.constant(2 ** 40));
    fc.assert(
      fc.property(seeds, start, fc.nat(2000), counts, (seed, keyStart, rows, count) => {
        const keys = Array.from(sampleKeys(seed, keyStart, keyStart + rows, count));
        expect(keys).toHaveLength(Math.min(count, rows));
        expect(keys.every((key, i) => i === 0 || key > keys[i - 1])).toBe(true);
        expect(keys.every((key) => Number.isInteger(key) && key >= keyStart && key < keyStart + rows)).toBe(true);
        expect(Array.from(sampleKeys(seed, keyStart, keyStart + rows, count))).toEqual(keys);
      }),
    );
  });

  it('takes all where there are no more than asked for, and none of an empty range', () => {
    expect(Array.from(sampleKeys(1, 5, 9, 4))).toEqual([5, 6, 7, 8]);
    expect(Array.from(sampleKeys(1, 5, 9, 100))).toEqual([5, 6, 7, 8]);
    expect(Array.from(sampleKeys(1, 9, 5, 3))).toEqual([]);
  });

  it('draws other keys for another seed', () => {
    expect(sampleKeys(1, 0, 10_000, 50)).not.toEqual(sampleKeys(2, 0, 10_000, 50));
  });

  it('draws every key as often as any other', () => {
    const drawn = new Array<number>(40).fill(0);
    const samples = 4000;
    for (let seed = 0; seed < samples; seed++) for (const key of sampleKeys(seed, 0, 40, 10)) drawn[key]++;
    // Each count has mean n·p and variance n·p·(1-p).
    const p = 10 / 40;
    for (const count of drawn)
      expect(Math.abs(count - samples * p)).toBeLessThan(4.5 * Math.sqrt(samples * p * (1 - p)));
  });

  it('reaches all of a corpus of more rows than 2^32', () => {
    const rows = 2 ** 36;
    const tenths = new Set(Array.from(sampleKeys(3, 0, rows, 400), (key) => Math.floor((10 * key) / rows)));
    expect(tenths.size).toBe(10);
  });
});

describe('partOfKeys', () => {
  it('deals every key to one part, in order, parts differing by one key at most', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.integer({ min: 1, max: 20 }), (length, count) => {
        const keys = Float64Array.from({ length }, (_, i) => 3 * i);
        const parts = Array.from({ length: count }, (_, i) => Array.from(partOfKeys(keys, { index: i + 1, count })));
        expect(parts.flat()).toEqual(Array.from(keys));
        const sizes = parts.map((part) => part.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

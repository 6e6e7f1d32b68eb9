import { describe, expect, it } from 'vitest';
import { openUniform } from '../../../operators/curvature/sampleUniform.ts';

describe('openUniform', () => {
  it('is a pure function of seed, document and position', () => {
    const [one, same, other] = [openUniform(3), openUniform(3), openUniform(4)];
    one(7, 7);
    expect(one(5, 2)).toBe(same(5, 2));
    expect(one(5, 2)).not.toBe(other(5, 2));
    expect(one(5, 2)).not.toBe(one(2, 5));
  });

  it('tells documents apart whose keys differ above 2^32', () => {
    const uniform = openUniform(0);
    const keys = [1, 2 ** 32 + 1, 2 ** 33 + 1, 2 ** 52 + 1];
    expect(new Set(keys.map((key) => uniform(key, 0))).size).toBe(keys.length);
  });

  it('is spread evenly over [0, 1), and float32 holds each number exactly', () => {
    const uniform = openUniform(11);
    const counts = new Array<number>(16).fill(0);
    const draws = 64_000;
    for (let i = 0; i < draws; i++) {
      const value = uniform(Math.floor(i / 40), i % 40);
      expect(value >= 0 && value < 1 && Math.fround(value) === value).toBe(true);
      counts[Math.floor(value * 16)]++;
    }
    // χ² with 15 degrees of freedom is below 37.7 in 999 of 1000.
    expect(counts.reduce((sum, n) => sum + (n - draws / 16) ** 2 / (draws / 16), 0)).toBeLessThan(37.7);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packPrompts } from '../../../operators/queries/packPrompts.ts';

describe('packPrompts', () => {
  it('holds every prompt once, at most 8 rows and 4096 tokens a batch once grown, or one prompt alone', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5000 }));
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 5000 }), (prompts, newTokens) => {
        const batches = packPrompts(prompts, newTokens);
        expect(batches.flat().sort((a, b) => a - b)).toEqual([...prompts.keys()]);
        for (const batch of batches) {
          const longest = Math.max(...batch.map((p) => prompts[p]));
          expect(batch.length).toBeLessThanOrEqual(8);
          expect(batch.length === 1 || batch.length * (longest + newTokens) <= 4096).toBe(true);
        }
      }),
    );
  });

  it('puts prompts of like length together, the longest first, ties in their order', () => {
    expect(packPrompts([10, 900, 10, 1000, 900], 100)).toEqual([
      [3, 1, 4],
      [0, 2],
    ]);
    expect(packPrompts([], 64)).toEqual([]);
  });
});

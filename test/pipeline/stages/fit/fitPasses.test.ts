import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sumsLength } from '../../../../operators/curvature/sides.ts';
import type { Module } from '../../../../operators/gradients/projections.ts';
import {
  bytesPerNumber,
  covarianceItems,
  groupItems,
  type SumItem,
  squaresItems,
} from '../../../../pipeline/stages/fit/fitPasses.ts';

const item = (length: number, i: number): SumItem<number> => ({ name: `n${i}`, length, of: i });

describe('groupItems', () => {
  it('keeps every item in order, and no group beyond the memory unless it is a single item', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 3_000_000 }), { maxLength: 40 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 16, max: 64 }), fc.integer({ min: 1, max: 8 }), (all, memory, workers) => {
        const items = all.map(item);
        const groups = groupItems(items, memory, workers);
        expect(groups.flat()).toEqual(items);
        for (const group of groups) {
          expect(group.length).toBeGreaterThan(0);
          const bytes = group.reduce((sum, { length }) => sum + length, 0) * bytesPerNumber(workers);
          expect(group.length === 1 || bytes <= memory * 2 ** 20).toBe(true);
        }
      }),
    );
  });

  it('opens a group only where the next item does not fit the one before', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 3_000_000 }), { maxLength: 40 });
    fc.assert(
      fc.property(lengths, (all) => {
        const groups = groupItems(all.map(item), 16, 2);
        for (let g = 1; g < groups.length; g++) {
          const together = [...groups[g - 1], groups[g][0]].reduce((sum, { length }) => sum + length, 0);
          expect(together * bytesPerNumber(2)).toBeGreaterThan(16 * 2 ** 20);
        }
      }),
    );
  });
});

describe('the items', () => {
  const modules: Module[] = [
    { name: 'gate', inputOf: 'gate', inputs: 5, outputs: 7 },
    { name: 'up', inputOf: 'gate', inputs: 5, outputs: 7 },
  ];

  it('of covariances are the sides, a shared one once', () => {
    expect(covarianceItems(modules, 2).map(({ name, length }) => [name, length])).toEqual([
      ['gate.inputs', sumsLength(5, 2)],
      ['gate.outputs', sumsLength(7, 2)],
      ['up.outputs', sumsLength(7, 2)],
    ]);
  });

  it('of squares are the layers', () => {
    expect(squaresItems(modules).map(({ name, length }) => [name, length])).toEqual([
      ['gate', 35],
      ['up', 35],
    ]);
  });
});

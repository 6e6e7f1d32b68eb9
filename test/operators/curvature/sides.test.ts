import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockBounds, covarianceBlocks, sidesOf, sumsLength, tilesOf } from '../../../operators/curvature/sides.ts';

const widths = fc.integer({ min: 1, max: 1600 });
const blocks = fc.integer({ min: 1, max: 9 });

describe('blockBounds', () => {
  it('cuts a side into as many parts as asked for, of widths that differ by one at most', () => {
    fc.assert(
      fc.property(widths, blocks, (width, b) => {
        const bounds = blockBounds(width, b);
        expect(bounds).toHaveLength(Math.min(b, width));
        expect([bounds[0][0], bounds.at(-1)![1]]).toEqual([0, width]);
        const sizes = bounds.map(([start, end]) => end - start);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        for (let i = 1; i < bounds.length; i++) expect(bounds[i][0]).toBe(bounds[i - 1][1]);
      }),
    );
  });
});

describe('tilesOf', () => {
  it('covers each place on and above the diagonal of every block, none twice, and lies gapless in the sums', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 900 }), blocks, (width, b) => {
        const covered = new Uint8Array(width * width);
        let offset = 0;
        for (const tile of tilesOf(width, b)) {
          expect(tile.offset).toBe(offset);
          offset += (tile.rowEnd - tile.rowStart) * (tile.columnEnd - tile.columnStart);
          for (let r = tile.rowStart; r < tile.rowEnd; r++)
            for (let c = tile.columnStart; c < tile.columnEnd; c++) covered[r * width + c]++;
        }
        expect(sumsLength(width, b)).toBe(offset);
        const blockOf = new Uint16Array(width);
        blockBounds(width, b).forEach(([start, end], block) => {
          blockOf.fill(block, start, end);
        });
        let wrong = 0;
        for (let r = 0; r < width; r++)
          for (let c = r; c < width; c++) wrong += Number(covered[r * width + c] !== Number(blockOf[r] === blockOf[c]));
        expect(wrong).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  it('sums little more than half of a wide side', () => {
    expect(sumsLength(1536, 1) / 1536 ** 2).toBeLessThan(0.63);
  });
});

describe('covarianceBlocks', () => {
  it('puts the tiles together to the diagonal blocks of the whole matrix, over the count', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 800 }), blocks, fc.integer({ min: 1, max: 99 }), (width, b, count) => {
        const entry = (r: number, c: number) => Math.sin(Math.min(r, c) * 7.1 + Math.max(r, c) * 3.3);
        const sums = new Float64Array(sumsLength(width, b));
        for (const tile of tilesOf(width, b)) {
          let at = tile.offset;
          for (let r = tile.rowStart; r < tile.rowEnd; r++)
            for (let c = tile.columnStart; c < tile.columnEnd; c++) sums[at++] = entry(r, c);
        }
        const bounds = blockBounds(width, b);
        const found = [...covarianceBlocks(sums, width, b, count)];
        expect(found.map((block) => block.width)).toEqual(bounds.map(([start, end]) => end - start));
        found.forEach(({ matrix, width: n }, i) => {
          const [start] = bounds[i];
          const wrong = matrix.findIndex(
            (value, at) => value !== entry(start + Math.floor(at / n), start + (at % n)) / count,
          );
          expect(wrong).toBe(-1);
        });
      }),
      { numRuns: 30 },
    );
  });

  it('is symmetric to the last bit where rounding left the two triangles apart', () => {
    const [{ matrix }] = covarianceBlocks(Float64Array.of(1, 0.5, 0.5 + 1e-9, 2), 2, 1, 1);
    expect(Array.from(matrix)).toEqual([1, 0.5, 0.5, 2]);
  });
});

describe('sidesOf', () => {
  it('names an input that layers share once, after the first of them', () => {
    const layer = (name: string, inputOf: string) => ({ name, inputOf, inputs: 4, outputs: 6 });
    const sides = sidesOf([layer('gate', 'gate'), layer('up', 'gate'), layer('down', 'down')]);
    expect(sides.map(({ name, width, owner }) => [name, width, owner.name])).toEqual([
      ['gate.inputs', 4, 'gate'],
      ['gate.outputs', 6, 'gate'],
      ['up.outputs', 6, 'up'],
      ['down.inputs', 4, 'down'],
      ['down.outputs', 6, 'down'],
    ]);
  });
});

import { describe, expect, it } from 'vitest';
import eigenbasisOfSide, { type Eigenbasis } from '../../../operators/curvature/eigenbasisOfSide.ts';
import { blockBounds, type Side, sumsLength, tilesOf } from '../../../operators/curvature/sides.ts';

const decompose = await eigenbasisOfSide.open(null, { queries: [], tasks: [], topK: 1, seed: 0 });
const owner = { name: 'layer', inputOf: 'layer', inputs: 1, outputs: 1 };

/** A covariance of full rank. */
const entry = (r: number, c: number) => Math.exp(-Math.abs(r - c) / 3) + Number(r === c) * (1 + r / 10);

async function basisOf(width: number, blocks: number, count: number): Promise<Eigenbasis> {
  const sums = new Float64Array(sumsLength(width, blocks));
  for (const tile of tilesOf(width, blocks)) {
    let at = tile.offset;
    for (let r = tile.rowStart; r < tile.rowEnd; r++)
      for (let c = tile.columnStart; c < tile.columnEnd; c++) sums[at++] = count * entry(r, c);
  }
  const side: Side = { name: 'layer.inputs', width, owner };
  return decompose({ side, blocks, sums, count });
}

describe('eigenbasisOfSide', () => {
  it.each([
    [7, 1],
    [40, 1],
    [41, 3],
    [5, 9],
  ])('makes each block Q diag(values) Qᵀ, %d wide in %d blocks', async (width, blocks) => {
    const { values, vectors } = await basisOf(width, blocks, 12);
    let at = 0;
    for (const [start, end] of blockBounds(width, blocks)) {
      const n = end - start;
      const q = vectors.subarray(at, at + n * n);
      at += n * n;
      const own = values.subarray(start, end);
      expect(own.every((value, j) => j === 0 || value <= own[j - 1])).toBe(true);
      for (let r = 0; r < n; r++)
        for (let c = 0; c < n; c++) {
          const sum = own.reduce((all, value, j) => all + q[r * n + j] * value * q[c * n + j], 0);
          expect(sum).toBeCloseTo(entry(start + r, start + c), 5);
        }
    }
    expect(at).toBe(vectors.length);
  });
});

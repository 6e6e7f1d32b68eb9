import { mkdtemp, open, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { layOutTaps, readTapRows, tapsBytes, writeTapRows } from '../../../../operators/queries/projection/tapsFile.ts';

const rowStart = [0, 2, 3, 7];
const sides = [
  { name: 'a', width: 3 },
  { name: 'b', width: 5 },
];
const rowsOf = (q: number, width: number) =>
  Float32Array.from({ length: (rowStart[q + 1] - rowStart[q]) * width }, (_, i) => 100 * q + 10 * width + i);

async function written() {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-taps-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const taps = layOutTaps(join(folder, 'taps'), rowStart, sides);
  const file = await open(taps.path, 'w');
  for (const q of [2, 0, 1])
    for (const side of taps.sides) await writeTapRows(file, side, rowStart[q], rowsOf(q, side.width));
  await file.close();
  return taps;
}

describe('the taps file', () => {
  it('gives the rows of all queries in their order, in whatever order they were written', async () => {
    const taps = await written();
    for (const { name, width } of sides) {
      const { rows, columns, values } = await readTapRows(taps, name);
      expect([rows, columns]).toEqual([7, width]);
      expect(Array.from(values)).toEqual([0, 1, 2].flatMap((q) => [...rowsOf(q, width)]));
    }
    expect(tapsBytes(taps)).toBe(4 * 7 * 8);
  });

  it('is refused where it ends early, and for a side it does not have', async () => {
    const taps = await written();
    await expect(readTapRows(taps, 'c')).rejects.toThrow('expected a side of the taps, got c');
    await truncate(taps.path, 4 * 7 * 8 - 8);
    await expect(readTapRows(taps, 'b')).rejects.toThrow(/expected 140 bytes of b in .*taps, found 132/);
  });
});

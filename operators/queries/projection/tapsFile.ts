/** The queries' taps on disk for as long as they are projected: a and δ of every token, side by side of the layers. */
import { open } from 'node:fs/promises';
import type { Matrix } from '../../curvature/denseProducts.ts';
import { namedWrite } from '../../files/wholeFile.ts';

/** Plain data. Each side's rows lie together, (N,width) float32 row-major, N the tokens of all queries in their order. */
export interface TapsFile {
  path: string;
  /** (Q+1) Query q has the rows rowStart[q] … rowStart[q + 1] - 1. */
  rowStart: number[];
  sides: { name: string; width: number; offset: number }[];
}

/** Where everything will lie; nothing is written. */
export function layOutTaps(path: string, rowStart: number[], sides: { name: string; width: number }[]): TapsFile {
  const rows = rowStart[rowStart.length - 1];
  let offset = 0;
  const placed = sides.map(({ name, width }) => {
    const side = { name, width, offset };
    offset += 4 * rows * width;
    return side;
  });
  return { path, rowStart, sides: placed };
}

export function tapsBytes({ rowStart, sides }: TapsFile): number {
  return 4 * rowStart[rowStart.length - 1] * sides.reduce((sum, { width }) => sum + width, 0);
}

/** Makes the file, in which rows are then written in any order. Throws ResourceError. */
export async function createTaps({ path }: TapsFile): Promise<void> {
  await namedWrite(path, async () => (await open(path, 'w')).close());
}

/** Writes rows of one side from row `rowStart` on. */
export async function writeTapRows(
  file: Awaited<ReturnType<typeof open>>,
  { offset, width }: TapsFile['sides'][number],
  rowStart: number,
  rows: Float32Array,
): Promise<void> {
  const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
  // A disk that is nearly full takes a part.
  for (let at = 0; at < bytes.length; ) {
    const position = offset + 4 * rowStart * width + at;
    at += (await file.write(bytes, at, bytes.length - at, position)).bytesWritten;
  }
}

/** All queries' rows of one side. */
export async function readTapRows({ path, rowStart, sides }: TapsFile, name: string): Promise<Matrix> {
  const side = sides.find((candidate) => candidate.name === name);
  if (!side) throw new Error(`readTapRows expected a side of the taps, got ${name}`);
  const rows = rowStart[rowStart.length - 1];
  const values = new Float32Array(rows * side.width);
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(values.buffer);
    let at = 0;
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), side.offset + at);
      if (bytesRead === 0)
        throw new Error(`readTapRows expected ${bytes.length} bytes of ${name} in ${path}, found ${at}`);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return { rows, columns: side.width, values };
}

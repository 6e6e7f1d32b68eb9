/** The sides of tracked layers whose covariances are estimated, and the tiles in which a symmetric matrix is summed. */
import type { Module } from '../gradients/projections.ts';

/** The inputs a or the output gradients δ of a layer; layers that read the same input share that side. */
export interface Side {
  /** `model.layers.0.mlp.gate_proj.inputs` */
  name: string;
  /** n: I with the column of ones, or O. */
  width: number;
  /** The layer whose side it is; of those that share an input, the first. */
  owner: Module;
}

/** The distinct sides of the modules, in their order. */
export function sidesOf(modules: Module[]): Side[] {
  return modules.flatMap((owner) => {
    const outputs: Side = { name: outputSide(owner), width: owner.outputs, owner };
    const inputs: Side = { name: inputSide(owner), width: owner.inputs, owner };
    return owner.inputOf === owner.name ? [inputs, outputs] : [outputs];
  });
}

export function inputSide({ inputOf }: Module): string {
  return `${inputOf}.inputs`;
}

export function outputSide({ name }: Module): string {
  return `${name}.outputs`;
}

/** Where the diagonal blocks of an n-wide side begin and end: block i is [floor(i·n/b), floor((i+1)·n/b)). */
export function blockBounds(width: number, blocks: number): [start: number, end: number][] {
  const count = Math.min(blocks, width);
  const at = (i: number) => Math.floor((i * width) / count);
  return Array.from({ length: count }, (_, i) => [at(i), at(i + 1)]);
}

/** Σ n_b²: how many numbers the eigenvectors of a side's blocks are. */
export function vectorsLength(width: number, blocks: number): number {
  return blockBounds(width, blocks).reduce((sum, [start, end]) => sum + (end - start) ** 2, 0);
}

/** A side's eigenvectors by block, as they lie one behind the other: (n_b,n_b) each. */
export function vectorBlocks(vectors: Float32Array, width: number, blocks: number) {
  let at = 0;
  return blockBounds(width, blocks).map(([start, end]) => {
    const from = at;
    at += (end - start) ** 2;
    return { start, end, values: vectors.subarray(from, at) };
  });
}

/** A rectangle of a side's covariance, on or above the diagonal; `offset` is where its rows begin in the side's sums. */
export interface Tile {
  rowStart: number;
  rowEnd: number;
  columnStart: number;
  columnEnd: number;
  offset: number;
}

/** About as small as a tile can be while its matrix product still runs at full rate. */
const TILE_WIDTH = 384;

/** The tiles of each diagonal block's upper triangle: a symmetric matrix needs no others, which saves nearly half of the work. */
export function tilesOf(width: number, blocks: number): Tile[] {
  const tiles: Tile[] = [];
  let offset = 0;
  for (const [start, end] of blockBounds(width, blocks)) {
    const bounds = blockBounds(end - start, Math.ceil((end - start) / TILE_WIDTH));
    bounds.forEach(([rowStart, rowEnd], i) => {
      for (const [columnStart, columnEnd] of bounds.slice(i)) {
        tiles.push({
          rowStart: start + rowStart,
          rowEnd: start + rowEnd,
          columnStart: start + columnStart,
          columnEnd: start + columnEnd,
          offset,
        });
        offset += (rowEnd - rowStart) * (columnEnd - columnStart);
      }
    });
  }
  return tiles;
}

/** How many numbers the tiles of a side hold. */
export function sumsLength(width: number, blocks: number): number {
  return tilesOf(width, blocks).reduce(
    (sum, tile) => sum + (tile.rowEnd - tile.rowStart) * (tile.columnEnd - tile.columnStart),
    0,
  );
}

/** Each diagonal block as a full symmetric matrix (n_b,n_b), divided by `count`. */
export function* covarianceBlocks(
  sums: Float64Array,
  width: number,
  blocks: number,
  count: number,
): Generator<{ matrix: Float64Array; width: number }> {
  const tiles = tilesOf(width, blocks);
  for (const [start, end] of blockBounds(width, blocks)) {
    const n = end - start;
    const matrix = new Float64Array(n * n);
    for (const tile of tiles)
      if (tile.rowStart >= start && tile.rowEnd <= end) copyTile(tile, sums, matrix, start, n, count);
    yield { matrix, width: n };
  }
}

function copyTile(tile: Tile, sums: Float64Array, matrix: Float64Array, start: number, n: number, count: number): void {
  const { rowStart, rowEnd, columnStart, columnEnd, offset } = tile;
  let at = offset;
  for (let r = rowStart - start; r < rowEnd - start; r++)
    for (let c = columnStart - start; c < columnEnd - start; c++) {
      const value = sums[at++] / count;
      // A tile on the diagonal holds both triangles, which may differ in the last bit: the upper one counts.
      if (rowStart === columnStart && c < r) continue;
      matrix[r * n + c] = value;
      matrix[c * n + r] = value;
    }
}

/** Which documents of the corpus the curvature is estimated from: drawn by the seed, in reading order. */
import { philox, streamOf } from '../../../operators/gradients/counterRandom.ts';

const STREAM = streamOf('fit sample');

/** `count` distinct keys of [keyStart, keyEnd), ascending, or all where there are no more. Floyd's algorithm. */
export function sampleKeys(seed: number, keyStart: number, keyEnd: number, count: number): Float64Array {
  const rows = Math.max(0, keyEnd - keyStart);
  if (count >= rows) return Float64Array.from({ length: rows }, (_, i) => keyStart + i);
  const words = new Uint32Array(4);
  const below = (limit: number, index: number): number => {
    philox(index >>> 0, Math.floor(index / 2 ** 32), 0, 0, seed >>> 0, STREAM, words);
    // 53 bits: a corpus may have more rows than 2^32.
    return Math.floor(((words[0] >>> 5) * 2 ** 26 + (words[1] >>> 6)) * 2 ** -53 * limit);
  };
  const chosen = new Set<number>();
  for (let last = rows - count; last < rows; last++) {
    const drawn = below(last + 1, last);
    chosen.add(chosen.has(drawn) ? last : drawn);
  }
  return Float64Array.from(chosen, (row) => keyStart + row).sort();
}

/** Part `index` (from 1) of `count` of the sample: consecutive keys, sizes differing by one at most. */
export function partOfKeys(keys: Float64Array, { index, count }: { index: number; count: number }): Float64Array {
  const at = (i: number) => Math.floor((i * keys.length) / count);
  return keys.subarray(at(index - 1), at(index));
}

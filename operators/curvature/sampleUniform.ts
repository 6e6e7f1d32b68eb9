/** The uniform numbers from which labels are drawn: a pure function of the seed, the document and the position. */
import { philox, streamOf } from '../gradients/counterRandom.ts';

const STREAM = streamOf('sampled labels');

/** A number in [0, 1) of 24 bits, which float32 holds exactly. `key` is the document's row in the whole corpus. */
export function openUniform(seed: number): (key: number, position: number) => number {
  const words = new Uint32Array(4);
  return (key, position) => {
    philox(position, key >>> 0, Math.floor(key / 2 ** 32), 0, seed >>> 0, STREAM, words);
    return (words[0] >>> 8) / 2 ** 24;
  };
}

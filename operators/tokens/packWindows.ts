/** Packs windows of like length into batches, so that little is padded. */
import type { TokenWindows } from '../../schemas/batches.ts';

export interface PackedWindows {
  /** Indices of windows, each batch longest window first; batches from the longest windows to the shortest. */
  batches: number[][];
  tokens: number;
  /** What the batches hold when every window is padded to its batch's longest: `padded - tokens` are wasted. */
  padded: number;
}

/**
 * Every window once, in batches whose padded size (longest window × windows) is at most `batchTokens`; a longer window is alone.
 * Sorted by length, ties by index, then filled greedily, so that the same windows always give the same batches.
 */
export function packWindows({ start }: Pick<TokenWindows, 'start'>, batchTokens: number): PackedWindows {
  const lengths = Array.from({ length: start.length - 1 }, (_, w) => start[w + 1] - start[w]);
  const sorted = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a] || a - b);
  const batches: number[][] = [];
  for (const w of sorted) {
    const last = batches.at(-1);
    if (last && lengths[last[0]] * (last.length + 1) <= batchTokens) last.push(w);
    else batches.push([w]);
  }
  return {
    batches,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    padded: batches.reduce((sum, batch) => sum + lengths[batch[0]] * batch.length, 0),
  };
}

/** Packs windows of like length into batches, so that little is padded and calls are few. */
import type { TokenWindows } from '../../schemas/batches.ts';

export interface PackedWindows {
  /** Indices of windows, ascending within a batch; batches from the longest windows to the shortest. */
  batches: number[][];
  tokens: number;
  /** What the batches hold when every window is padded to its batch's longest: `padded - tokens` are wasted. */
  padded: number;
}

/**
 * What a call costs beside its tokens, in tokens: padding is worth while as long as it saves more than that. Measured on
 * SmolLM2-135M, one thread, CPU time: 136 ms for 16 tokens, 239 for 32, 458 for 64, 6.8 for each further one, so about 4; small
 * models, whose tokens cost less, come higher.
 */
const CALL_TOKENS = 16;

/**
 * Every window once, in batches whose padded size (longest window × windows) is at most `batchTokens`; a longer window is alone.
 * Of all ways to cut the windows, sorted by length, into such batches, the one with the least padded tokens plus `CALL_TOKENS` a
 * batch; ties go by index, so that the same windows always give the same batches.
 */
export function packWindows({ start }: Pick<TokenWindows, 'start'>, batchTokens: number): PackedWindows {
  const lengths = Array.from({ length: start.length - 1 }, (_, w) => start[w + 1] - start[w]);
  const sorted = [...lengths.keys()].sort((a, b) => lengths[a] - lengths[b] || a - b);
  const batchStart = cheapestCuts(
    sorted.map((w) => lengths[w]),
    batchTokens,
  );
  const batches: number[][] = [];
  let padded = 0;
  for (let end = sorted.length; end > 0; end = batchStart[end]) {
    batches.push(sorted.slice(batchStart[end], end).sort((a, b) => a - b));
    padded += lengths[sorted[end - 1]] * (end - batchStart[end]);
  }
  return { batches, tokens: lengths.reduce((sum, length) => sum + length, 0), padded };
}

/** For ascending lengths, by each end: where the last batch of the cheapest packing of [0, end) begins. */
function cheapestCuts(lengths: number[], batchTokens: number): Uint32Array {
  const cost = new Float64Array(lengths.length + 1).fill(Number.POSITIVE_INFINITY);
  const batchStart = new Uint32Array(lengths.length + 1);
  cost[0] = 0;
  for (let end = 1; end <= lengths.length; end++)
    for (let begin = end - 1; begin >= 0; begin--) {
      const padded = lengths[end - 1] * (end - begin);
      if (padded > batchTokens && end - begin > 1) break;
      if (cost[begin] + padded + CALL_TOKENS >= cost[end]) continue;
      cost[end] = cost[begin] + padded + CALL_TOKENS;
      batchStart[end] = begin;
    }
  return batchStart;
}

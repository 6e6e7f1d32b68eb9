/** Turns a model folder into the ONNX model that completions are decoded with: the logits behind new tokens, given those before. */
import type { CachedHeads } from '../gradients/architectures/forwardGraph.ts';
import type { ModelFolder } from '../gradients/modelFolder.ts';
import { buildForward, writeGraph } from '../gradients/tappedGraph.ts';

/** A decoding model on disk: plain data, which a worker opens. */
export interface DecodingModel {
  /** The .onnx file. */
  path: string;
  /** What each attention keeps of a token, in the model's order. */
  cached: CachedHeads[];
}

/**
 * Writes the decoding model for texts of at most `contextTokens` into the cache folder, unless it is there. Its output `logits` (B,V)
 * is what the last of each row's new tokens predicts. Throws InputError for a model that is not supported.
 */
export async function writeDecodingModel(
  folder: ModelFolder,
  contextTokens: number,
  cache: string,
): Promise<DecodingModel> {
  const { graph, hidden, head, cached } = buildForward(folder, { contextTokens }, 'steps');
  const width = hidden.shape[1];
  const last = graph.lastRow(graph.reshape(hidden, ['B', 'T', width]));
  graph.output('logits', graph.linear(graph.reshape(last, ['B', width]), head));
  return { path: await writeGraph(folder, cache, 'decoding', { contextTokens }, graph), cached };
}

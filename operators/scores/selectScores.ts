/** Keeps some documents of a score batch, each with all of its scores. */
import { type ScoreBatch, selectDocuments } from '../../schemas/batches.ts';

/** The documents at `rows` (ascending indices into the batch), in every column; set-aside documents stay. */
export function selectScores(batch: ScoreBatch, rows: readonly number[]): ScoreBatch {
  const { queries: Q, tokens, loss, scores } = batch;
  const kept = new Float64Array(rows.length * Q);
  rows.forEach((b, row) => {
    kept.set(scores.subarray(b * Q, b * Q + Q), row * Q);
  });
  return {
    ...selectDocuments(batch, rows),
    queries: Q,
    tokens: Uint32Array.from(rows, (b) => tokens[b]),
    loss: Float64Array.from(rows, (b) => loss[b]),
    scores: kept,
  };
}

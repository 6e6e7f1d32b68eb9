/** Takes the documents whose loss or any score is not finite out of a batch, with the reason, before a fold can see them. */
import { type ScoreBatch, selectDocuments, setAside } from '../../schemas/batches.ts';

/** The batch itself where all is finite; else a copy without the others, which stand in its `setAside`. */
export function setAsideNotFinite(batch: ScoreBatch): ScoreBatch {
  const { key, queries: Q, tokens, loss, scores } = batch;
  const aside = batch.setAside.slice();
  const rows: number[] = [];
  for (let b = 0; b < key.length; ++b) {
    const detail = describeNotFinite(loss[b], scores, b * Q, b * Q + Q);
    if (detail === null) rows.push(b);
    else aside.push(setAside(batch, b, 'not finite', detail));
  }
  if (rows.length === key.length) return batch;
  const kept = new Float64Array(rows.length * Q);
  rows.forEach((b, row) => {
    kept.set(scores.subarray(b * Q, b * Q + Q), row * Q);
  });
  return {
    ...selectDocuments(batch, rows),
    setAside: aside.sort((a, b) => a.key - b.key),
    queries: Q,
    tokens: Uint32Array.from(rows, (b) => tokens[b]),
    loss: Float64Array.from(rows, (b) => loss[b]),
    scores: kept,
  };
}

function describeNotFinite(loss: number, scores: Float64Array, start: number, end: number): string | null {
  if (!Number.isFinite(loss)) return `loss ${loss}`;
  for (let i = start; i < end; ++i) if (!Number.isFinite(scores[i])) return `score ${scores[i]} on query ${i - start}`;
  return null;
}

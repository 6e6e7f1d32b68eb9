/** Puts the scores of a slice's parts back together, one row a document in reading order. */
import { type DocumentColumns, type ScoreBatch, selectDocuments } from '../../schemas/batches.ts';

/**
 * The parts hold windows of the slice's documents: a document that was split stands in several, and its rows are summed. Throws where
 * a document is in no part and was not set aside: it would be counted with a score of 0.
 */
export function gatherScores(slice: DocumentColumns, parts: ScoreBatch[]): ScoreBatch {
  const left = parts.flatMap((part) => part.setAside);
  const gone = new Set(left.map(({ key }) => key));
  const kept = Array.from(slice.key.keys()).filter((b) => !gone.has(slice.key[b]));
  const whole = emptyScores(slice, kept, parts[0]?.queries ?? 0);
  whole.setAside = [...slice.setAside, ...left];
  const row = new Map(Array.from(whole.key, (key, b) => [key, b]));
  const seen = new Set<number>();
  for (const part of parts)
    part.key.forEach((key, p) => {
      const b = row.get(key);
      if (b !== undefined) addDocument(whole, b, part, p);
      seen.add(key);
    });
  const lost = whole.key.find((key) => !seen.has(key));
  if (lost !== undefined)
    throw new Error(
      `gatherScores expected every document of batch ${slice.batch} to be scored or set aside, and key ${lost} is not`,
    );
  return whole;
}

function emptyScores(slice: DocumentColumns, rows: number[], queries: number): ScoreBatch {
  return {
    ...selectDocuments(slice, rows),
    queries,
    tokens: new Uint32Array(rows.length),
    loss: new Float64Array(rows.length),
    scores: new Float64Array(rows.length * queries),
  };
}

function addDocument(whole: ScoreBatch, b: number, part: ScoreBatch, p: number): void {
  const { queries } = whole;
  whole.tokens[b] += part.tokens[p];
  whole.loss[b] += part.loss[p];
  for (let q = 0; q < queries; q++) whole.scores[b * queries + q] += part.scores[p * queries + q];
}

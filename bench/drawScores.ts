/** Batches of scores out of a generator, every column that a fold may read filled in, at next to no cost beside the folds. */
import type { ScoreBatch } from '../schemas/batches.ts';

/** Sums of three uniform numbers, and BM25 that is 0 for three documents in four. */
const table = Float64Array.from({ length: 2 ** 22 }, () => Math.random() + Math.random() + Math.random() - 1.5);
const wordTable = table.map((value) => (value > 0.4 ? 20 * value : 0));
const kinds = ['prose', 'code', 'mathematics', 'question and answer'];

/** A stretch of the table, times a number of this batch's own: else the largest scores would soon all be equal. */
function drawn(from: Float64Array, length: number): Float64Array {
  const start = Math.floor(Math.random() * (from.length - length));
  const scale = 0.5 + Math.random();
  return from.slice(start, start + length).map((value) => scale * value);
}

export function drawScores(firstKey: number, B: number, queries: number): ScoreBatch {
  const rows = Array.from({ length: B }, (_, b) => firstKey + b);
  return {
    batch: firstKey / B,
    key: Float64Array.from(rows),
    file: new Uint32Array(B),
    row: Float64Array.from(rows),
    id: rows.map((row) => `data/train-00000.parquet:${row}`),
    source: rows.map((row) => `source ${row % 7}`),
    setAside: [],
    extra: { kind: rows.map((row) => kinds[row % 4]) },
    queries,
    tokens: new Uint32Array(B).fill(511),
    loss: Float64Array.from(rows, (row) => 1000 + (row % 100) / 7),
    scores: drawn(table, B * queries),
    bm25: drawn(wordTable, B * queries),
  };
}

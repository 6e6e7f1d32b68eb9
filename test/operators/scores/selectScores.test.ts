import { describe, expect, test } from 'vitest';
import { selectScores } from '../../../operators/scores/selectScores.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';

const batch: ScoreBatch = {
  batch: 3,
  key: Float64Array.of(5, 6, 7),
  file: Uint32Array.of(0, 0, 1),
  row: Float64Array.of(5, 6, 0),
  id: ['a', 'b', 'c'],
  source: ['x', 'y', 'z'],
  setAside: [{ key: 4, file: 0, row: 4, id: 'o', reason: 'empty text', detail: '' }],
  extra: {},
  bm25: Float64Array.of(1, 2, 3, 4, 5, 6),
  queries: 2,
  tokens: Uint32Array.of(10, 20, 30),
  loss: Float64Array.of(1, 2, 3),
  scores: Float64Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
};

describe('selectScores', () => {
  test('keeps the documents at the rows in every column, each with its own scores', () => {
    expect(selectScores(batch, [0, 2])).toEqual({
      ...batch,
      key: Float64Array.of(5, 7),
      file: Uint32Array.of(0, 1),
      row: Float64Array.of(5, 0),
      id: ['a', 'c'],
      source: ['x', 'z'],
      bm25: Float64Array.of(1, 2, 5, 6),
      tokens: Uint32Array.of(10, 30),
      loss: Float64Array.of(1, 3),
      scores: Float64Array.of(0.1, 0.2, 0.5, 0.6),
    });
  });

  test('gives a batch without documents where none is kept, with what was set aside', () => {
    expect(selectScores(batch, [])).toMatchObject({
      queries: 2,
      id: [],
      setAside: [{ key: 4 }],
      scores: new Float64Array(),
    });
  });
});

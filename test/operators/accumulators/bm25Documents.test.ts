import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bm25Documents } from '../../../operators/accumulators/bm25Documents.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';
import { drawnBatches, inBatches } from './foldLaws.ts';

const facts = { queries: ['a', 'b', 'c'], tasks: ['', '', ''], topK: 4, seed: 0 };

function rankingOf(batches: ScoreBatch[]) {
  const state = bm25Documents.empty(undefined, facts);
  for (const batch of batches) bm25Documents.add(state, batch);
  return bm25Documents.result(state);
}

/** The slow, obvious version: sorts everything that shares a word. */
function sortedRows(batches: ScoreBatch[]) {
  const documents = batches.flatMap(({ key, bm25 }) =>
    Array.from(key, (k, b) => ({ key: k, scores: bm25?.subarray(b * 3, b * 3 + 3) ?? [] })),
  );
  return facts.queries.flatMap((_, q) =>
    documents
      .filter(({ scores }) => scores[q] > 0)
      .sort((x, y) => y.scores[q] - x.scores[q] || x.key - y.key)
      .slice(0, facts.topK)
      .map(({ key, scores }, i) => ({ query: q, rank: i + 1, score: scores[q], key })),
  );
}

const document = { id: '', source: '', tokens: 1, loss: 1, scores: [0, 0, 0], extra: {}, reason: null };
const batchOf = (bm25: number[][]) =>
  inBatches(
    bm25.map((row) => ({ ...document, bm25: row })),
    [bm25.length],
  );

describe('bm25Documents', () => {
  test('keeps what sorting everything keeps, and no document that shares no word with the query', () =>
    fc.assert(
      fc.property(drawnBatches(facts, { bm25: true }), (batches) => {
        const { query, rank, score, key } = rankingOf(batches);
        const rows = Array.from(query, (q, i) => ({ query: q, rank: rank[i], score: score[i], key: key[i] }));
        expect(rows).toEqual(sortedRows(batches));
      }),
      { numRuns: 300 },
    ));

  test('ranks as many documents for each query as share a word with it', () => {
    const { query, rank } = rankingOf(batchOf([[1, 0, 2], [0, 0, 3]])); // biome-ignore format: a table
    expect([...query]).toEqual([0, 2, 2]);
    expect([...rank]).toEqual([1, 1, 2]);
  });

  test('has no rows where batches carry no BM25', () => {
    const none = inBatches([document, document], [2]);
    expect(rankingOf(none).query).toHaveLength(0);
  });

  test.each([Number.NaN, Infinity])('refuses a score of %s', (score) => {
    expect(() => rankingOf(batchOf([[1, score, 2]]))).toThrow(
      `bm25Documents expected finite scores, got ${score} (document key 0, query 1)`,
    );
  });

  test('refuses scores of another number of queries', () => {
    expect(() => rankingOf(batchOf([[1, 2]]))).toThrow(
      'bm25Documents expected 1 documents × 3 scores, got 2: an operator dropped documents and left their BM25',
    );
  });
});

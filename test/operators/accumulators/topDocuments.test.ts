import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RankedDocuments, rankedKeys, topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';
import { inBatches } from './foldLaws.ts';

interface Scored {
  key: number;
  scores: number[];
}

/** The slow, obvious version: sorts everything. */
function sortedDocuments(documents: Scored[], queries: number, k: number, sign: 1 | -1): RankedDocuments {
  const rows = Array.from({ length: queries }, (_, q) =>
    [...documents]
      .sort((a, b) => sign * (b.scores[q] - a.scores[q]) || a.key - b.key)
      .slice(0, k)
      .map(({ key, scores }, i) => ({ query: q, rank: i + 1, score: scores[q] + 0, key })),
  ).flat();
  return {
    query: Uint32Array.from(rows, ({ query }) => query),
    rank: Uint32Array.from(rows, ({ rank }) => rank),
    score: Float64Array.from(rows, ({ score }) => score),
    key: Float64Array.from(rows, ({ key }) => key),
  };
}

const facts = (queries: number, topK: number) => ({
  queries: Array.from({ length: queries }, (_, q) => `q${q}`),
  tasks: [],
  topK,
  seed: 0,
});

function batchOf(documents: Scored[]): ScoreBatch {
  const drawn = { id: '', source: '', tokens: 1, loss: 1, extra: {}, reason: null };
  const [batch] = inBatches(
    documents.map(({ scores }) => ({ ...drawn, scores })),
    [documents.length],
  );
  return { ...batch, key: Float64Array.from(documents, ({ key }) => key) };
}

function topOf(documents: Scored[], queries: number, k: number, batchSize = 5) {
  const state = topDocuments.empty(undefined, facts(queries, k));
  for (let i = 0; i < documents.length; i += batchSize)
    topDocuments.add(state, batchOf(documents.slice(i, i + batchSize)));
  return topDocuments.result(state);
}

const shapes = fc
  .record({ queries: fc.integer({ min: 1, max: 4 }), k: fc.integer({ min: 1, max: 9 }) })
  .chain(({ queries, k }) =>
    fc.record({
      queries: fc.constant(queries),
      k: fc.constant(k),
      documents: fc
        .array(
          fc.array(fc.oneof(fc.integer({ min: -2, max: 2 }), fc.double({ noNaN: true, noDefaultInfinity: true })), {
            minLength: queries,
            maxLength: queries,
          }),
          { maxLength: 60 },
        )
        .map((rows) => rows.map((scores, key) => ({ key, scores }))),
    }),
  );

describe('topDocuments', () => {
  test('keeps what sorting everything keeps, at both ends', () =>
    fc.assert(
      fc.property(shapes, ({ queries, k, documents }) => {
        const { top, bottom } = topOf(documents, queries, k);
        expect(top).toEqual(sortedDocuments(documents, queries, k, 1));
        expect(bottom).toEqual(sortedDocuments(documents, queries, k, -1));
      }),
      { numRuns: 300 },
    ));

  test('gives the same for any order of adding', () =>
    fc.assert(
      fc.property(
        shapes.chain((shape) =>
          fc.record({
            shape: fc.constant(shape),
            order: fc.shuffledSubarray(shape.documents, { minLength: shape.documents.length }),
            batchSize: fc.integer({ min: 1, max: 70 }),
          }),
        ),
        ({ shape: { queries, k, documents }, order, batchSize }) => {
          expect(topOf(order, queries, k, batchSize)).toEqual(topOf(documents, queries, k));
        },
      ),
      { numRuns: 300 },
    ));

  test('breaks ties by the lower document key, at both ends and for any batch size', () => {
    const documents = Array.from({ length: 40 }, (_, key) => ({ key, scores: [1, key % 2] }));
    for (const batchSize of [1, 3, 40]) {
      const { top, bottom } = topOf(documents, 2, 3, batchSize);
      expect([...top.key]).toEqual([0, 1, 2, 1, 3, 5]);
      expect([...bottom.key]).toEqual([0, 1, 2, 0, 2, 4]);
    }
  });

  test('starts the bottom at the most negative score, rank 1', () => {
    const documents = [3, -5, 0, 8, -1].map((score, key) => ({ key, scores: [score] }));
    const { top, bottom } = topOf(documents, 1, 2);
    expect([...top.score, ...top.rank]).toEqual([8, 3, 1, 2]);
    expect([...bottom.score, ...bottom.rank]).toEqual([-5, -1, 1, 2]);
  });

  test('ranks every document when there are fewer than k', () => {
    const { top } = topOf([{ key: 7, scores: [1, 2] }], 2, 500);
    expect(top).toEqual({
      query: Uint32Array.of(0, 1),
      rank: Uint32Array.of(1, 1),
      score: Float64Array.of(1, 2),
      key: Float64Array.of(7, 7),
    });
    expect(topOf([], 2, 500).top.key).toHaveLength(0);
  });

  test('lists every ranked key once, ascending', () => {
    const documents = [3, -5, 0, 8, -1].map((score, key) => ({ key: 100 - key, scores: [score, -score] }));
    expect([...rankedKeys(topOf(documents, 2, 2))]).toEqual([96, 97, 99, 100]);
    expect([...rankedKeys(topOf(documents, 2, 2), { key: Float64Array.of(98, 97) })]).toEqual([96, 97, 98, 99, 100]);
  });

  test.each([Number.NaN, Infinity, -Infinity])('refuses a score of %s, full or not', (score) => {
    const documents = [1, 2, 3].map((s, key) => ({ key, scores: [s] }));
    expect(() => topOf([...documents, { key: 3, scores: [score] }], 1, 2)).toThrow(
      /topDocuments expected finite scores, got -?(NaN|Infinity) \(document key 3, query 0\): setAsideNotFinite comes before the folds/,
    );
    expect(() => topOf([{ key: 0, scores: [score] }], 1, 2)).toThrow('topDocuments expected finite scores');
  });
});

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  atLeast,
  type CorpusLabels,
  countLabels,
  overRepresentation,
  overRepresentationByTask,
  rankingDepths,
} from '../../../operators/accumulators/overRepresentation.ts';
import type { RankedDocuments } from '../../../operators/accumulators/rankedHeaps.ts';
import { sourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import { type TopDocuments, topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import { composedFold } from './composedFold.ts';
import { foldLaws, lawFacts } from './foldLaws.ts';

/** Made by make.py beside it, in exact integers. */
const golden = JSON.parse(
  readFileSync(new URL('../../goldens/overRepresentation/golden.json', import.meta.url), 'utf8'),
) as { 'x, n, K, N, p': [number, number, number, number, number][] };

describe('atLeast', () => {
  test('is the hypergeometric upper tail to twelve digits, from 1 down to 1e-300 and for up to 5,000,000 documents', () => {
    const rows = golden['x, n, K, N, p'];
    expect(rows.length).toBeGreaterThan(500);
    expect(rows.filter(([, , , N, p]) => N === 5_000_000 && p < 1e-20).length).toBeGreaterThan(20);
    for (const [x, n, K, N, p] of rows)
      if (p === 0) expect(atLeast(x, n, K, N)).toBe(0);
      else expect(Math.abs(atLeast(x, n, K, N) / p - 1)).toBeLessThan(1e-12);
  });

  test('counts the ways to draw', () => {
    // of the ten ways to draw 2 of 5, three draw both of 3 marked ones and six one of them
    expect(atLeast(1, 2, 3, 5)).toBeCloseTo(0.9, 15);
    expect(atLeast(2, 2, 3, 5)).toBeCloseTo(0.3, 15);
    expect([atLeast(0, 2, 3, 5), atLeast(3, 2, 3, 5), atLeast(5, 5, 5, 5), atLeast(1, 3, 3, 5)]).toEqual([1, 0, 1, 1]);
  });

  test('is 0 where it is below the smallest float64', () => {
    expect(atLeast(400, 500, 400, 5_000_000)).toBe(0);
  });
});

/** A ranking of keys for each query; both ends the same unless given. */
function ranking(top: number[][], bottom = top): TopDocuments {
  const ranked = (queries: number[][]): RankedDocuments => {
    const rows = queries.flatMap((keys, query) => keys.map((key, i) => ({ query, key, rank: i + 1 })));
    return {
      query: Uint32Array.from(rows, ({ query }) => query),
      rank: Uint32Array.from(rows, ({ rank }) => rank),
      score: Float64Array.from(rows, ({ rank }) => -rank),
      key: Float64Array.from(rows, ({ key }) => key),
    };
  };
  return { top: ranked(top), bottom: ranked(bottom) };
}

/** A corpus whose document `key` has the label labels[key]. */
function corpusOf(labels: (string | null)[]): CorpusLabels {
  const names = [...new Set(labels.filter((label) => label !== null))];
  const counts = names.map((label) => ({ label, documents: labels.filter((own) => own === label).length }));
  return { documents: labels.length, labels: counts, givenUp: false };
}

describe('overRepresentation', () => {
  test('counts what a filter over each ranking does, on random corpora', () => {
    const drawn = fc
      .record({
        labels: fc.array(fc.constantFrom('wiki', 'code', '', '__proto__', null), { minLength: 1, maxLength: 40 }),
        topK: fc.integer({ min: 1, max: 30 }),
        queries: fc.integer({ min: 1, max: 3 }),
      })
      .chain(({ labels, topK, queries }) => {
        const keys = labels.map((_, key) => key);
        const length = Math.min(topK, keys.length);
        const one = fc.shuffledSubarray(keys, { minLength: length, maxLength: length });
        const all = fc.array(one, { minLength: queries, maxLength: queries });
        return fc.record({ labels: fc.constant(labels), topK: fc.constant(topK), top: all, bottom: all });
      });
    fc.assert(
      fc.property(drawn, ({ labels, topK, top, bottom }) => {
        const corpus = corpusOf(labels);
        const size = { queries: top.length, topK };
        const rows = [...overRepresentation(countLabels(ranking(top, bottom), corpus, (key) => labels[key], size))];
        expect(rows).toHaveLength(top.length * rankingDepths(topK).length * corpus.labels.length);
        for (const { query, label, k, documents, shareOfCorpus, ...ends } of rows) {
          const held = labels.filter((own) => own === label).length;
          expect([documents, shareOfCorpus]).toEqual([held, held / labels.length]);
          for (const [end, keys] of [
            [ends.top, top[query]],
            [ends.bottom, bottom[query]],
          ] as const) {
            // biome-ignore format: a table
            const inK = keys.slice(0, k).filter((key) => labels[key] === label).length;
            const looked = Math.min(k, labels.length);
            expect(end.inK).toBe(inK);
            expect(end.ratio).toBeCloseTo(inK / looked / (held / labels.length), 12);
            expect(end.p).toBe(atLeast(inK, looked, held, labels.length));
          }
        }
      }),
    );
  });

  test('goes to 10, 20, 50, 100, 200, 500 and topK, as far as topK reaches', () => {
    expect([rankingDepths(1000), rankingDepths(500), rankingDepths(60), rankingDepths(3)]).toEqual([
      [10, 20, 50, 100, 200, 500, 1000],
      [10, 20, 50, 100, 200, 500],
      [10, 20, 50, 60],
      [3],
    ]);
  });

  test('says null of share, ratio and p where the labels of the corpus were given up, and names those that are ranked', () => {
    const labels = ['wiki', 'code', null, 'books'];
    const corpus = { documents: 4, labels: [], givenUp: true };
    const top = ranking([[0, 2]], [[1, 2]]);
    expect([...overRepresentation(countLabels(top, corpus, (key) => labels[key], { queries: 1, topK: 2 }))]).toEqual(
      ['code', 'wiki'].map((label) => ({
        query: 0,
        k: 2,
        label,
        documents: null,
        shareOfCorpus: null,
        top: { inK: label === 'wiki' ? 1 : 0, ratio: null, p: null },
        bottom: { inK: label === 'code' ? 1 : 0, ratio: null, p: null },
      })),
    );
  });
});

describe('overRepresentationByTask', () => {
  const labels = Array.from({ length: 1000 }, (_, key) => (key % 20 === 0 ? 'code' : 'wiki'));
  const code = Array.from({ length: 10 }, (_, i) => 20 * i);
  const wiki = code.map((key) => key + 1);
  const counts = countLabels(ranking([code, wiki, code, code], [wiki, wiki, wiki, wiki]), corpusOf(labels), (key) => labels[key], { queries: 4, topK: 10 }); // biome-ignore format: one line
  const [ofCode, ofWiki, ...others] = [...overRepresentationByTask(counts, ['slopes', 'slopes', 'slopes', ''])];

  test('sums over the queries of a task, and leaves out those without one', () => {
    expect(others).toEqual([]);
    expect(ofCode).toEqual({
      task: 'slopes',
      label: 'code',
      k: 10,
      queries: 3,
      documents: 50,
      shareOfCorpus: 0.05,
      top: { inK: 20, ratio: 20 / 30 / 0.05, overRepresented: 2 },
      bottom: { inK: 0, ratio: 0, overRepresented: 0 },
    });
    expect(ofWiki).toMatchObject({ top: { inK: 10, overRepresented: 0 }, bottom: { inK: 30, overRepresented: 0 } });
  });

  test('calls a label over-represented when p, times the number of tests of the table by query, is below 0.05', () => {
    // 2 labels × 1 depth × 2 ends × Q queries: p is just above 0.05 / 8 and just below 0.05 / 4
    const keys = Array.from({ length: 100 }, (_, key) => key);
    const p = atLeast(1, 1, 1, 100);
    expect(p * 4).toBeLessThan(0.05);
    expect(p * 8).toBeGreaterThan(0.05);
    const name = (key: number) => (key === 7 ? 'rare' : 'common');
    const overOf = (queries: number) => {
      const top = ranking(Array(queries).fill([7]), Array(queries).fill([8]));
      const rows = overRepresentationByTask(
        countLabels(top, corpusOf(keys.map(name)), name, { queries, topK: 1 }),
        Array(queries).fill('facts'),
      );
      return [...rows].find(({ label }) => label === 'rare')!.top.overRepresented;
    };
    expect([overOf(1), overOf(2)]).toEqual([1, 0]);
  });
});

foldLaws(
  composedFold('over_representation', { top: topDocuments, sources: sourceCounts }, ({ top, sources }) => {
    const labels = sources.sources.map(({ source, documents }) => ({ label: source, documents }));
    const size = { queries: lawFacts.queries.length, topK: lawFacts.topK };
    const counts = countLabels(top, { ...sources, labels }, (key) => labels[key % labels.length]?.label ?? null, size);
    return [...overRepresentation(counts), ...overRepresentationByTask(counts, ['facts', '', 'facts'])];
  }),
);

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { correlations, twoSidedP } from '../../../operators/accumulators/correlations.ts';
import { inBatches } from './foldLaws.ts';

interface Golden {
  'p: r, n, p': [number, number, number][];
  tables: { scores: number[][]; 'pairs: a, b, r, p': [number, number, number, number][] }[];
}

/** Made by make.py beside it: p to fifty digits by mpmath, r by scipy. */
const golden = JSON.parse(
  readFileSync(new URL('../../goldens/correlations/golden.json', import.meta.url), 'utf8'),
) as Golden;

function correlate(table: number[][], sizes = [4]) {
  const queries = table[0]?.length ?? 2;
  const facts = { queries: Array.from({ length: queries }, (_, q) => `q${q}`), tasks: [], topK: 1, seed: 0 };
  const state = correlations.empty(undefined, facts);
  const drawn = { id: '', source: '', tokens: 1, loss: 1, extra: {}, reason: null };
  for (const batch of inBatches(
    table.map((scores) => ({ ...drawn, scores })),
    sizes,
  ))
    correlations.add(state, batch);
  return correlations.result(state);
}

/** The slow, obvious version: means first, then sums over the whole column. */
function pearson(x: number[], y: number[]): number {
  const mean = (column: number[]) => column.reduce((sum, value) => sum + value, 0) / column.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const product = (u: number[], meanU: number, v: number[], meanV: number) =>
    u.reduce((sum, value, i) => sum + (value - meanU) * (v[i] - meanV), 0);
  return product(x, meanX, y, meanY) / Math.sqrt(product(x, meanX, x, meanX) * product(y, meanY, y, meanY));
}

describe('correlations', () => {
  test("p is Student's two-sided p to ten digits, from 1 down to 1e-300 and from 3 to 5,000,000 documents", () => {
    expect(golden['p: r, n, p'].length).toBeGreaterThan(250);
    for (const [r, n, p] of golden['p: r, n, p']) expect(Math.abs(twoSidedP(r, n) / p - 1)).toBeLessThan(1e-10);
  });

  test("r and p are scipy's", () => {
    for (const { scores, 'pairs: a, b, r, p': pairs } of golden.tables) {
      const got = correlate(scores);
      expect(got.n).toBe(scores.length);
      expect(pairs.length).toBe(got.r.length);
      pairs.forEach(([a, b, r, p], pair) => {
        expect([got.queryA[pair], got.queryB[pair]]).toEqual([a, b]);
        expect(Math.abs(got.r[pair] - r)).toBeLessThan(1e-12);
        expect(Math.abs(got.p[pair] / p - 1)).toBeLessThan(1e-9);
      });
    }
  });

  test('r equals the two-pass formula on random shapes', () => {
    const tables = fc.integer({ min: 2, max: 6 }).chain((queries) =>
      fc.array(fc.array(fc.integer({ min: -999, max: 999 }), { minLength: queries, maxLength: queries }), {
        minLength: 3,
        maxLength: 50,
      }),
    );
    fc.assert(
      fc.property(tables, fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1 }), (table, sizes) => {
        const { queryA, queryB, r } = correlate(table, sizes);
        const column = (q: number) => table.map((scores) => scores[q]);
        r.forEach((value, pair) => {
          const [x, y] = [column(queryA[pair]), column(queryB[pair])];
          if ([x, y].some((values) => new Set(values).size === 1)) expect(value).toBeNaN();
          else expect(Math.abs(value - pearson(x, y))).toBeLessThan(1e-12);
        });
      }),
    );
  });

  test('keeps its digits when scores are far from zero and close together', () => {
    const table = Array.from({ length: 1000 }, (_, d) => [1e6 + Math.sin(d), -1e6 + Math.sin(d) + Math.cos(3 * d)]);
    const centred = table.map(([x, y]) => [x - 1e6, y + 1e6]);
    const column = (q: number) => centred.map((scores) => scores[q]);
    expect(Math.abs(correlate(table).r[0] - pearson(column(0), column(1)))).toBeLessThan(1e-9);
  });

  test('leaves r and p undefined for fewer than three documents', () => {
    for (const table of [
      [],
      [[1, 2]],
      [
        [1, 2],
        [2, 1],
      ],
    ] as number[][][]) {
      const { n, r, p, significant } = correlate(table);
      expect({ n, r, p, significant }).toEqual({
        n: table.length,
        r: Float64Array.of(Number.NaN),
        p: Float64Array.of(Number.NaN),
        significant: [false],
      });
    }
  });

  test('leaves r and p undefined for a query whose scores are all equal, however the batches fall', () => {
    const table = Array.from({ length: 30 }, (_, d) => [0.1, d, d * d]);
    for (const sizes of [[1, 1, 1], [7, 7, 7], [30], [2, 27]]) {
      const { r, p } = correlate(table, sizes);
      expect([...r.slice(0, 2), ...p.slice(0, 2)]).toEqual(Array(4).fill(Number.NaN));
      expect(r[2]).toBeGreaterThan(0.9);
    }
  });

  test('gives ±1 and p = 0 to queries whose scores are each other’s multiples', () => {
    const { r, p } = correlate([1, 2, 3, 4].map((x) => [x, 2 * x, -x]));
    expect([...r]).toEqual([1, -1, -1]);
    expect([...p]).toEqual([0, 0, 0]);
  });

  test('calls a pair significant when p, times the number of pairs that have one, is below 0.05', () => {
    const table = Array.from({ length: 20 }, (_, d) => [d, d + 9 * Math.sin(d), Math.cos(7 * d), 5]);
    const { p, significant } = correlate(table);
    expect(significant).toEqual([...p].map((value) => value * 3 < 0.05));
    expect(significant.slice(0, 2)).toEqual([true, false]);
  });

  test('refuses scores that are not finite and keeps its state', () => {
    const facts = { queries: ['a', 'b'], tasks: [], topK: 1, seed: 0 };
    const state = correlations.empty(undefined, facts);
    const drawn = { id: '', source: '', tokens: 1, loss: 1, extra: {}, reason: null };
    const [good] = inBatches(
      [
        [1, 2],
        [3, 5],
        [4, 4],
      ].map((scores) => ({ ...drawn, scores })),
      [3],
    );
    correlations.add(state, good);
    const before = structuredClone(state);
    for (const bad of [Number.NaN, Infinity]) {
      const scores = Float64Array.of(1, 2, 3, bad, 4, 5);
      expect(() => correlations.add(state, { ...good, scores })).toThrow(
        /correlations expected finite scores, got (NaN|Infinity) \(row 1 of a batch, query 1\)/,
      );
    }
    expect(state).toEqual(before);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { influenceDistribution } from '../../../operators/accumulators/influenceDistribution.ts';
import {
  type InfluenceShare,
  influencePerNat,
  influencePerNatByTask,
  percents,
} from '../../../operators/accumulators/influencePerNat.ts';
import { topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import { composedFold } from './composedFold.ts';
import { foldLaws, inBatches } from './foldLaws.ts';

type Nats = (number | null)[];

const sharesFold = (nats: Nats) =>
  composedFold('influence_per_nat', { top: topDocuments, distribution: influenceDistribution }, (results) =>
    influencePerNat(results.top, results.distribution, nats),
  );

function sharesOf(table: number[][], topK: number, nats: Nats): InfluenceShare[] {
  const queries = nats.map((_, q) => `q${q}`);
  const fold = sharesFold(nats);
  const state = fold.empty(undefined, { queries, tasks: [], topK, seed: 0 });
  const drawn = { id: '', source: '', tokens: 1, loss: 1, extra: {}, reason: null };
  for (const batch of inBatches(
    table.map((scores) => ({ ...drawn, scores })),
    [50],
  ))
    fold.add(state, batch);
  return fold.result(state);
}

/** The slow, obvious version: sorts every positive score of a query. */
function slowShares(table: number[][], nats: Nats): InfluenceShare[] {
  return nats.flatMap((completion, query) => {
    const positive = table
      .map((scores) => scores[query])
      .filter((score) => score > 0)
      .sort((a, b) => b - a);
    return percents.flatMap((percent) => {
      // in hundredths of a percent, so that the product is an integer
      const documents = Math.ceil((Math.round(percent * 100) * positive.length) / 10_000);
      const influence = positive.slice(0, documents).reduce((sum, score) => sum + score, 0);
      const share = { query, percent, documents, influence, perNat: completion ? influence / completion : null };
      return Math.round(percent * 100) * positive.length >= 10_000 ? [share] : [];
    });
  });
}

const near = (tolerance: number, got: number, expected: number) =>
  expect(Math.abs(got - expected)).toBeLessThanOrEqual(tolerance * Math.abs(expected));

/** Exact where the ranking holds the share, or the share every positive document; within 0.8 % elsewhere. */
function expectShares(got: InfluenceShare[], expected: InfluenceShare[], topK: number): void {
  expect(got.map(({ query, percent, documents }) => [query, percent, documents])).toEqual(
    expected.map(({ query, percent, documents }) => [query, percent, documents]),
  );
  expected.forEach(({ documents, percent, influence, perNat }, i) => {
    const tolerance = documents <= topK || percent === 100 ? 1e-12 : 0.008;
    near(tolerance, got[i].influence, influence);
    if (perNat === null) expect(got[i].perNat).toBeNull();
    else near(tolerance, got[i].perNat!, perNat);
  });
}

const score = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.double({ min: -1, max: 1, noNaN: true }),
  fc.integer({ min: -60, max: 60 }).map((exponent) => 2 ** exponent),
);

describe('influencePerNat', () => {
  test('is the sum over the sorted scores: exact within the ranking and over all, within 0.8 % in between', () => {
    const tables = fc.array(fc.array(score, { minLength: 2, maxLength: 2 }), { maxLength: 400 });
    fc.assert(
      fc.property(tables, fc.integer({ min: 1, max: 30 }), (table, topK) => {
        const nats = [2.5, null];
        expectShares(sharesOf(table, topK, nats), slowShares(table, nats), topK);
      }),
      { numRuns: 150 },
    );
  });

  test('keeps within 0.8 % when many documents share few bins', () => {
    const table = Array.from({ length: 20_000 }, (_, d) => [1 + ((d * 7919) % 20_000) / 1_300_000]);
    expectShares(sharesOf(table, 10, [1]), slowShares(table, [1]), 10);
  });

  test('is closer than 0.01 % for scores that are spread like a normal distribution', () => {
    const normal = (d: number) => Math.sqrt(-2 * Math.log((d + 0.5) / 20_000)) * Math.cos(d * 2.399963);
    const table = Array.from({ length: 20_000 }, (_, d) => [normal(d)]);
    const [got, expected] = [sharesOf(table, 100, [1]), slowShares(table, [1])];
    expect(got.length).toBe(expected.length);
    expect(got.length).toBeGreaterThanOrEqual(percents.length - 1);
    expected.forEach(({ influence }, i) => {
      near(1e-4, got[i].influence, influence);
    });
  });

  test('leaves out shares of less than one document, and queries for which no document ranks positively', () => {
    const table = Array.from({ length: 50 }, (_, d) => [d < 10 ? 1 + d : -1, 0, -1]);
    const shares = sharesOf(table, 5, [1, 1, 1]);
    expect(shares.map(({ query, percent, documents }) => [query, percent, documents])).toEqual([
      [0, 10, 1],
      [0, 20, 2],
      [0, 50, 5],
      [0, 100, 10],
    ]);
    expect(shares.map(({ influence }) => influence)).toEqual([10, 19, 40, 55]);
  });

  test('rounds a share up to whole documents, and an exact share not further', () => {
    const documentsAt = (percent: number, positive: number) =>
      sharesOf(Array(positive).fill([1]), 1, [1]).find((share) => share.percent === percent)!.documents;
    expect(documentsAt(0.1, 3000)).toBe(3);
    expect(documentsAt(0.1, 3001)).toBe(4);
    expect(documentsAt(20, 15)).toBe(3);
    expect(documentsAt(0.02, 15_000)).toBe(3);
  });

  test('gives no influence per nat where nats are unknown or 0', () => {
    expect(sharesOf([[1], [2]], 5, [null]).map(({ perNat }) => perNat)).toEqual([null, null]);
    expect(sharesOf([[1], [2]], 5, [0]).map(({ perNat }) => perNat)).toEqual([null, null]);
    expect(sharesOf([[1], [2]], 5, [0.5]).map(({ perNat }) => perNat)).toEqual([4, 6]);
  });
});

describe('influencePerNatByTask', () => {
  const shareOf = (query: number, perNat: number | null): InfluenceShare => ({
    query,
    percent: 50,
    documents: 1,
    influence: 1,
    perNat,
  });

  test('gives the spread over the queries of a task whose influence per nat is known', () => {
    const shares = [shareOf(0, 2), shareOf(1, 4), shareOf(2, null), shareOf(3, 7), shareOf(4, 5)];
    expect(influencePerNatByTask(shares, ['facts', 'facts', 'facts', '', '__proto__'])).toEqual([
      {
        task: 'facts',
        percent: 50,
        queries: 2,
        mean: 3,
        standardDeviation: Math.SQRT2,
        coefficientOfVariation: Math.SQRT2 / 3,
        min: 2,
        max: 4,
      },
      {
        task: '__proto__',
        percent: 50,
        queries: 1,
        mean: 5,
        standardDeviation: null,
        coefficientOfVariation: null,
        min: 5,
        max: 5,
      },
    ]);
  });

  test('knows no coefficient of variation where the mean is 0', () => {
    const [row] = influencePerNatByTask([shareOf(0, 0), shareOf(1, 0)], ['facts', 'facts']);
    expect(row).toMatchObject({ mean: 0, standardDeviation: 0, coefficientOfVariation: null });
  });

  test('has no rows for a task whose queries have no known nats', () => {
    expect(influencePerNatByTask([shareOf(0, null)], ['facts'])).toEqual([]);
  });
});

/** Sums within 1e-12. */
function sameShares(got: InfluenceShare[], expected: InfluenceShare[]): void {
  expect(got.map(({ documents }) => documents)).toEqual(expected.map(({ documents }) => documents));
  expected.forEach(({ influence }, i) => {
    near(1e-12, got[i].influence, influence);
  });
}

foldLaws(sharesFold([2, null, 0.25]), { same: sameShares });

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  agreement,
  nearDuplicates,
  nearThreshold,
  permutations,
  shingleSize,
  signatureOf,
} from '../../../operators/accumulators/nearDuplicates.ts';
import { splitPieces } from '../../../operators/documents/splitWords.ts';
import { documentsOf, rankingOf } from './ranking.ts';

/** The slow, obvious version: the shingles of both in one, as a share of those in either. */
function exactJaccard(one: string[], other: string[]): number {
  const shinglesOf = (pieces: string[]) => {
    const count = Math.max(1, pieces.length - shingleSize + 1);
    return new Set(Array.from({ length: count }, (_, i) => pieces.slice(i, i + shingleSize).join(' ')));
  };
  const [a, b] = [shinglesOf(one), shinglesOf(other)];
  const both = [...a].filter((shingle) => b.has(shingle)).length;
  return both / (a.size + b.size - both);
}

const words = (count: number, seed = 0): string[] => Array.from({ length: count }, (_, i) => `w${seed + i * 7}`);
/** A text of `count` words, the last `changed` of them others. */
const changed = (count: number, others: number, seed = 0): string[] => [
  ...words(count - others, seed),
  ...words(others, seed + 100_001),
];

const grouped = (texts: string[], top = texts.map((_, key) => key), bottom: number[] = []) =>
  nearDuplicates({ top: rankingOf([top]), bottom: rankingOf([bottom]) }, documentsOf(texts));

describe('the estimate from signatures', () => {
  test('stays within five standard deviations of the exact Jaccard index, and is not biased', () => {
    const errors: number[] = [];
    for (let others = 0; others <= 100; others += 2)
      for (let seed = 0; seed < 20; seed++) {
        const start = (others * 20 + seed) * 1_000_003; // words of their own, so that errors are independent
        const [one, other] = [words(104, start), changed(104, others, start)];
        const exact = exactJaccard(one, other);
        const error = agreement(signatureOf(one), signatureOf(other)) - exact;
        expect(Math.abs(error)).toBeLessThanOrEqual(5 * Math.sqrt((exact * (1 - exact)) / permutations) + 1e-12);
        errors.push(error);
      }
    expect(Math.abs(errors.reduce((sum, error) => sum + error, 0) / errors.length)).toBeLessThan(0.005);
  });

  test('is 1 for equal texts, whatever they are', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(agreement(signatureOf(splitPieces(text)), signatureOf(splitPieces(text)))).toBe(1);
      }),
    ));
});

describe('nearDuplicates', () => {
  test('groups texts of the same pieces as exact, however spaced and cased', () => {
    const texts = ['7 - 4 = 3.', 'another text altogether', '7-4=3 .', '7 - 4 = 3!', '７ - 4 =\n3.'];
    expect(grouped(texts)).toEqual([
      { group: 1, key: 0, exact: true, similarity: 1, rankings: 1 },
      { group: 1, key: 2, exact: true, similarity: 1, rankings: 1 },
      { group: 1, key: 4, exact: true, similarity: 1, rankings: 1 },
    ]);
  });

  test('groups what nearly all comparisons of pairs group: all above 0.92, none below 0.6', () =>
    fc.assert(
      fc.property(
        fc.array(fc.record({ seed: fc.integer({ min: 0, max: 3 }), others: fc.integer({ min: 0, max: 60 }) }), {
          minLength: 2,
          maxLength: 14,
        }),
        (drawn) => {
          const texts = drawn.map(({ seed, others }) => changed(104, others, seed * 1_000_003).join(' '));
          const groupOf = new Map(grouped(texts).map(({ key, group }) => [key, group]));
          const jaccard = (i: number, j: number) => exactJaccard(splitPieces(texts[i]), splitPieces(texts[j]));
          for (let i = 0; i < texts.length; i++) {
            const nearest = Math.max(...texts.flatMap((_, j) => (i === j ? [] : jaccard(i, j))));
            if (nearest < 0.6) expect(groupOf.has(i)).toBe(false);
            for (let j = 0; j < i; j++)
              if (jaccard(i, j) > 0.92) expect(groupOf.get(i)).toBe(groupOf.get(j) ?? 'grouped');
          }
        },
      ),
      { numRuns: 60, seed: 1 },
    ));

  test('numbers groups by their lowest key, and says how near each document is to the first', () => {
    const long = words(200);
    const texts = ['alone', 'one two', long.join(' '), 'one  TWO', [...long.slice(0, -3), 'x', 'y', 'z'].join(' ')];
    const rows = grouped(texts);
    expect(rows.map(({ group, key, exact }) => [group, key, exact])).toEqual([
      [1, 1, true],
      [1, 3, true],
      [2, 2, true],
      [2, 4, false],
    ]);
    expect(rows[3].similarity).toBeGreaterThanOrEqual(nearThreshold);
    expect(rows[3].similarity).toBeLessThan(1);
  });

  test('counts the queries that rank a document, at either end', () => {
    const [first] = nearDuplicates(
      { top: rankingOf([[0, 1], [1, 0]]), bottom: rankingOf([[0], [], [0]]) }, // biome-ignore format: a row a query
      documentsOf(['the same', 'the same']),
    );
    expect(first).toMatchObject({ key: 0, rankings: 3 });
  });

  test('gives the same groups for any order of the rankings', () => {
    const texts = Array.from({ length: 30 }, (_, i) => changed(104, i % 10, (i % 3) * 1_000_003).join(' '));
    const order = texts.map((_, key) => key);
    expect(grouped(texts, order.toReversed())).toEqual(grouped(texts, order));
    expect(grouped(texts, order.slice(10), order.slice(0, 10)).map(({ key, group }) => [key, group])).toEqual(
      grouped(texts).map(({ key, group }) => [key, group]),
    );
  });

  test('has no rows where nothing is ranked, and bears texts without words', () => {
    expect(grouped([])).toEqual([]);
    expect(grouped(['', ' ', 'a']).map(({ key }) => key)).toEqual([0, 1]);
  });
});

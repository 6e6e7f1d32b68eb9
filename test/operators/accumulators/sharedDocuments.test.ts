import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sharedDocuments } from '../../../operators/accumulators/sharedDocuments.ts';
import { rankingOf } from './ranking.ts';

describe('sharedDocuments', () => {
  test('counts, by task, in how many queries’ first documents each stands', () => {
    const ranking = rankingOf([[5, 1, 2], [1, 5, 3], [1, 9, 5], [5, 1, 0]]); // biome-ignore format: a row a query
    expect(sharedDocuments(ranking, ['slope', 'slope', 'facts', 'slope'], 2)).toEqual([
      { key: 1, task: 'slope', queries: 3, of: 3, depth: 2 },
      { key: 5, task: 'slope', queries: 3, of: 3, depth: 2 },
    ]);
  });

  test('agrees with a loop over documents and tasks', () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('', 'b', 'a', '__proto__'), fc.uniqueArray(fc.nat(9), { maxLength: 8 }))),
        fc.integer({ min: 1, max: 9 }),
        (queries, depth) => {
          const deepest = Math.min(depth, Math.max(0, ...queries.map(([, keys]) => keys.length)));
          const expected = [...new Set(queries.map(([task]) => task))].sort().flatMap((task) => {
            const own = queries.filter(([other]) => task !== '' && other === task);
            return Array.from({ length: 10 }, (_, key) => {
              const holding = own.filter(([, keys]) => keys.slice(0, depth).includes(key)).length;
              return { key, task, queries: holding, of: own.length, depth: deepest };
            })
              .filter((row) => row.queries >= 2)
              .sort((x, y) => y.queries - x.queries);
          });
          const ranking = rankingOf(queries.map(([, keys]) => keys));
          const tasks = queries.map(([task]) => task);
          expect(sharedDocuments(ranking, tasks, depth)).toEqual(expected);
        },
      ),
    ));

  test('leaves out queries without a task, and has no rows for one query', () => {
    expect(sharedDocuments(rankingOf([[1], [1]]), ['', ''])).toEqual([]);
    expect(sharedDocuments(rankingOf([[1, 2]]), ['slope'])).toEqual([]);
  });
});

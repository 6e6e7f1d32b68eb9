import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Correlations, correlations } from '../../../../operators/accumulators/correlations.ts';
import {
  type CorrelationGroup,
  correlationGroups,
} from '../../../../operators/accumulators/tasks/correlationGroups.ts';
import { composedFold } from '../composedFold.ts';
import { foldLaws } from '../foldLaws.ts';

/** Correlations of Q queries whose r stand in the order of the pairs; those above 0.5 are significant. */
function correlationsOf(r: number[], Q: number): Correlations {
  const pairs = Array.from({ length: Q }, (_, a) => Array.from({ length: Q - 1 - a }, (_, i) => [a, a + 1 + i])).flat();
  return {
    n: 100,
    queryA: Uint32Array.from(pairs, ([a]) => a),
    queryB: Uint32Array.from(pairs, ([, b]) => b),
    r: Float64Array.from(r),
    p: new Float64Array(r.length),
    significant: r.map((value) => value > 0.5),
  };
}

/** The slow, obvious version: every two tasks, and for each every two queries. */
function slowGroups({ queryA, queryB, r, significant }: Correlations, tasks: string[]): CorrelationGroup[] {
  const names = [...new Set(tasks.filter((task) => task !== ''))].sort();
  return names.flatMap((taskA, i) =>
    names.slice(i).flatMap((taskB) => {
      const isOurs = (_: unknown, pair: number) =>
        [taskA, taskB].join('\n') === [tasks[queryA[pair]], tasks[queryB[pair]]].sort().join('\n');
      const own = [...r].filter(isOurs);
      const known = own.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
      const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
      const variance = known.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (known.length - 1);
      const half = Math.floor(known.length / 2);
      const group = {
        taskA,
        taskB,
        pairs: own.length,
        undefinedPairs: own.length - known.length,
        significant: significant.filter(isOurs).filter(Boolean).length,
        r:
          known.length === 0
            ? null
            : {
                count: known.length,
                mean: expect.closeTo(mean, 12),
                median: known.length % 2 === 1 ? known[half] : (known[half - 1] + known[half]) / 2,
                standardDeviation: known.length > 1 ? expect.closeTo(Math.sqrt(variance), 12) : null,
                min: known[0],
                max: known[known.length - 1],
              },
      };
      return own.length > 0 ? [group] : [];
    }),
  );
}

describe('correlationGroups', () => {
  test('gather the pairs within each task and between each two, as two loops over tasks do', () => {
    const r = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: -8, max: 8 }).map((x) => x / 8) }, fc.constant(NaN)); // biome-ignore format: one line
    const drawn = fc.integer({ min: 1, max: 9 }).chain((Q) =>
      fc.record({
        tasks: fc.array(fc.constantFrom('', 'facts', 'slopes', '__proto__'), { minLength: Q, maxLength: Q }),
        r: fc.array(r, { minLength: (Q * (Q - 1)) / 2, maxLength: (Q * (Q - 1)) / 2 }),
      }),
    );
    fc.assert(
      fc.property(drawn, ({ tasks, r }) => {
        const pairs = correlationsOf(r, tasks.length);
        expect(correlationGroups(pairs, tasks)).toEqual(slowGroups(pairs, tasks));
      }),
    );
  });

  test('say what stands within and between two tasks', () => {
    const pairs = correlationsOf([0.9, 0.1, 0.3, Number.NaN, 0.2, 0.8], 4);
    expect(correlationGroups(pairs, ['slopes', 'slopes', 'facts', ''])).toEqual([
      {
        taskA: 'facts',
        taskB: 'slopes',
        pairs: 2,
        undefinedPairs: 1,
        significant: 0,
        r: { count: 1, mean: 0.1, median: 0.1, standardDeviation: null, min: 0.1, max: 0.1 },
      },
      {
        taskA: 'slopes',
        taskB: 'slopes',
        pairs: 1,
        undefinedPairs: 0,
        significant: 1,
        r: { count: 1, mean: 0.9, median: 0.9, standardDeviation: null, min: 0.9, max: 0.9 },
      },
    ]);
  });

  test('are none for one query, and none where no query has a task', () => {
    expect(correlationGroups(correlationsOf([], 1), ['facts'])).toEqual([]);
    expect(correlationGroups(correlationsOf([0.5], 2), ['', ''])).toEqual([]);
  });

  test('have no r where no pair of the group has one', () => {
    const [group] = correlationGroups(correlationsOf([Number.NaN], 2), ['facts', 'facts']);
    expect(group).toMatchObject({ pairs: 1, undefinedPairs: 1, significant: 0, r: null });
  });
});

/** The numbers within 1e-12: r itself is exact up to rounding only. */
function sameGroups(got: CorrelationGroup[], expected: CorrelationGroup[]): void {
  const near = (value: unknown) => (typeof value === 'number' ? expect.closeTo(value, 11) : value);
  const groups = expected.map(({ r, ...counts }) => ({
    ...counts,
    significant: expect.any(Number),
    r: r && Object.fromEntries(Object.entries(r).map(([name, value]) => [name, near(value)])),
  }));
  expect(got).toEqual(groups);
}

foldLaws(
  composedFold('correlation_groups', { correlations }, (results) =>
    correlationGroups(results.correlations, ['facts', 'slopes', 'facts']),
  ),
  { same: sameGroups },
);

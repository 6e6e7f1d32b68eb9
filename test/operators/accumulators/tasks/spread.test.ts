import { describe, expect, test } from 'vitest';
import { byTask, spreadOf } from '../../../../operators/accumulators/tasks/spread.ts';

describe('spreadOf', () => {
  test('gives mean, deviation with n - 1 below, and range', () => {
    expect(spreadOf([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({
      count: 8,
      mean: 5,
      standardDeviation: Math.sqrt(32 / 7),
      min: 2,
      max: 9,
    });
  });

  test('knows no deviation of a single number', () => {
    expect(spreadOf([-3])).toEqual({ count: 1, mean: -3, standardDeviation: null, min: -3, max: -3 });
  });
});

describe('byTask', () => {
  test('gathers rows in the order of tasks and leaves out those without one', () => {
    const rows = [0, 1, 2, 3, 1].map((query) => ({ query }));
    expect([...byTask(rows, ['b', '__proto__', '', 'b'])]).toEqual([
      ['b', [{ query: 0 }, { query: 3 }]],
      ['__proto__', [{ query: 1 }, { query: 1 }]],
    ]);
  });
});

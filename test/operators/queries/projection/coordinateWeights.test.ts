import { describe, expect, it } from 'vitest';
import type { ModuleCurvature } from '../../../../operators/curvature/moduleCurvature.ts';
import { coordinateWeights, squaredNorm, weigh } from '../../../../operators/queries/projection/coordinateWeights.ts';

const curvature = {
  module: { name: 'l', inputOf: 'l', outputs: 2, inputs: 3 },
  outputStrength: Float64Array.of(4, 0),
  inputStrength: Float64Array.of(9, 3, 0),
} as ModuleCurvature;

describe('coordinateWeights', () => {
  it('are the roots of how strongly documents move each coordinate, a tenth of the mean on top', () => {
    const { outputs, inputs } = coordinateWeights(curvature, 'curvature');
    expect(Array.from(outputs, (weight) => weight ** 2)).toEqual([expect.closeTo(4.2), expect.closeTo(0.2)]);
    expect(Array.from(inputs, (w) => w ** 2)).toEqual([expect.closeTo(9.4), expect.closeTo(3.4), expect.closeTo(0.4)]);
  });

  it('are ones where none are wanted, and where no strength is known', () => {
    const ones = { outputs: Float64Array.of(1, 1), inputs: Float64Array.of(1, 1, 1) };
    expect(coordinateWeights(curvature, 'none')).toEqual(ones);
    const unknown = { ...curvature, outputStrength: null, inputStrength: null };
    expect(coordinateWeights(unknown, 'curvature')).toEqual(ones);
  });
});

describe('weigh', () => {
  it('multiplies rows and columns', () => {
    const x = { rows: 2, columns: 3, values: Float32Array.of(1, 2, 3, 4, 5, 6) };
    weigh(x, { outputs: Float64Array.of(1, 10), inputs: Float64Array.of(2, 3, 5) });
    expect(Array.from(x.values)).toEqual([2, 6, 15, 80, 150, 300]);
  });
});

describe('squaredNorm', () => {
  it('is summed beyond what float32 holds', () => {
    const values = new Float32Array(3).fill(4096);
    values[2] = 1;
    expect(squaredNorm({ rows: 1, columns: 3, values })).toBe(2 * 4096 ** 2 + 1);
  });
});

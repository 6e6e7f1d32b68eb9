import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Matrix, openProducts } from '../../../../operators/curvature/denseProducts.ts';
import type { ModuleCurvature } from '../../../../operators/curvature/moduleCurvature.ts';
import { randomNumbers } from '../../../../operators/gradients/counterRandom.ts';
import { coordinateWeights } from '../../../../operators/queries/projection/coordinateWeights.ts';
import type { QueryGradients } from '../../../../operators/queries/projection/queryGradients.ts';
import { type Dimensions, refineDimensions } from '../../../../operators/queries/projection/refineDimensions.ts';
import { dense, flat, times, transposed } from './oneLayer.ts';

const products = await openProducts(1);
const [O, I] = [6, 5];

function draw(stream: number, rows: number, columns: number): Matrix {
  return { rows, columns, values: randomNumbers(3, stream, rows * columns, 'normal', 1) };
}

/** Queries whose gradients are random; `weights` are all 1. */
function randomQueries(count: number, stream: number) {
  const curvature = {
    module: { name: 'l', inputOf: 'l', outputs: O, inputs: I },
    outputStrength: null,
    inputStrength: null,
  } as ModuleCurvature;
  const gradients: QueryGradients = {
    curvature,
    queries: count,
    gradient: async (q) => draw(stream + q, O, I),
  };
  return { gradients, weights: coordinateWeights(curvature, 'curvature') };
}

/** The first columns of the identity: orthonormal, and as bad a start as any. */
function firstColumns(n: number, k: number): Matrix {
  return {
    rows: n,
    columns: k,
    values: Float32Array.from({ length: n * k }, (_, at) => Number(Math.floor(at / k) === at % k)),
  };
}

async function energy(
  { outputs, inputs }: Dimensions,
  { queries, gradient }: QueryGradients,
  importance: Float64Array,
) {
  let sum = 0;
  for (let q = 0; q < queries; q++) {
    const left = await products.multiply(outputs, await gradient(q), { a: true });
    const { values } = await products.multiply(left, inputs);
    sum += importance[q] * values.reduce((all, value) => all + value * value, 0);
  }
  return sum;
}

const sizes = fc.record({
  k: fc.integer({ min: 1, max: O }),
  l: fc.integer({ min: 1, max: I }),
  count: fc.integer({ min: 1, max: 5 }),
  stream: fc.nat(1000),
});

describe('refineDimensions', () => {
  it('never keeps less of the queries after a further round, in orthonormal dimensions', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ({ k, l, count, stream }) => {
        const { gradients, weights } = randomQueries(count, stream);
        const importance = Float64Array.from({ length: count }, (_, q) => 1 / (1 + q));
        let dimensions: Dimensions = { outputs: firstColumns(O, k), inputs: firstColumns(I, l) };
        let kept = await energy(dimensions, gradients, importance);
        for (let round = 0; round < 3; round++) {
          dimensions = await refineDimensions(dimensions, { rounds: 1, importance }, gradients, weights, products);
          const now = await energy(dimensions, gradients, importance);
          expect(now).toBeGreaterThanOrEqual(kept * (1 - 1e-5));
          kept = now;
        }
        for (const { rows, columns, values } of [dimensions.outputs, dimensions.inputs]) {
          const side = dense(rows, columns, values);
          flat(times(transposed(side), side)).forEach((value, at) => {
            expect(value).toBeCloseTo(Number(at % (columns + 1) === 0), 5);
          });
        }
      }),
      { numRuns: 40 },
    );
  });

  it('leaves the dimensions as they come without rounds, and a whole side whole', async () => {
    const { gradients, weights } = randomQueries(2, 0);
    const importance = Float64Array.of(1, 1);
    const start = { outputs: firstColumns(O, O), inputs: firstColumns(I, 2) };
    const none = await refineDimensions(start, { rounds: 0, importance }, gradients, weights, products);
    expect([none.outputs, none.inputs]).toEqual([start.outputs, start.inputs]);
    const some = await refineDimensions(start, { rounds: 2, importance }, gradients, weights, products);
    expect(some.outputs).toBe(start.outputs);
    expect(some.inputs).not.toEqual(start.inputs);
  });
});

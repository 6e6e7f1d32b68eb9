import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Matrix, openProducts } from '../../../operators/curvature/denseProducts.ts';
import {
  FACTOR_VERSION,
  type FactorFolder,
  openFactorFolder,
  writeEigenbasis,
  writeSums,
} from '../../../operators/curvature/factorFolder.ts';
import {
  type CurvatureSettings,
  columnsOf,
  openModuleCurvature,
  rotateRows,
} from '../../../operators/curvature/moduleCurvature.ts';
import { InputError } from '../../../schemas/errors.ts';

const cache = await mkdtemp(join(tmpdir(), 'headwater-module-'));
afterAll(() => rm(cache, { recursive: true }));

const module = { name: 'layer', inputOf: 'layer', outputs: 2, inputs: 3 };
const turn = (angle: number) => [Math.cos(angle), -Math.sin(angle), Math.sin(angle), Math.cos(angle)];
const lambda = [4, 2, 1, 3, 0.5, 0];

async function folderOf(squares: number[], seed: number): Promise<FactorFolder> {
  const fingerprint = { version: FACTOR_VERSION, model: 'm', tokenizer: 't', modules: ['layer'], contextTokens: 8 };
  const sample = { corpus: null, documents: 2, labels: 'sampled', blocks: 2, seed };
  const folder = await openFactorFolder(cache, { ...fingerprint, ...sample });
  for (const kind of ['squares', 'fisher'] as const)
    await writeSums(folder, kind, 'layer', { values: Float64Array.from(squares, (value) => 2 * value), count: 2 });
  const basis = (values: number[], vectors: number[]) => {
    return { values: Float64Array.from(values), vectors: Float32Array.from(vectors) };
  };
  await writeEigenbasis(folder, 'layer.outputs', basis([5, -1e-12], [1, 1]), 10);
  // Blocks of one and of two.
  await writeEigenbasis(folder, 'layer.inputs', basis([7, 3, 2], [-1, ...turn(0.3)]), 10);
  return folder;
}

const factors = await folderOf(lambda, 0);
const mean = lambda.reduce((a, b) => a + b, 0) / lambda.length;
const settings = (preconditioner: CurvatureSettings['preconditioner'], rotated: boolean): CurvatureSettings => ({
  preconditioner,
  rotated,
  blocks: 2,
  factors,
});

describe('the curvature of a layer', () => {
  it.each([
    ['a tenth of the mean by default', {}, 0.1 * mean],
    ['a share of the mean', { relative: 0.5 }, 0.5 * mean],
    ['the number itself', { absolute: 0.25 }, 0.25],
  ])('divides by Λ + λ, λ being %s', async (_what, damping, added) => {
    const { scale, outputs, inputs } = await openModuleCurvature(module, settings({ kind: 'ekfac', damping }, true));
    expect(Array.from(scale!)).toEqual(lambda.map((value) => Math.fround(1 / (value + added))));
    expect([outputs!.blocks.length, inputs!.blocks.length]).toEqual([2, 2]);
  });

  it('of kfac is the product of the two sides’ eigenvalues, none below 0', async () => {
    const { scale } = await openModuleCurvature(module, settings({ kind: 'kfac', damping: { absolute: 1 } }, true));
    expect(Array.from(scale!)).toEqual([36, 16, 11, 1, 1, 1].map((value) => Math.fround(1 / value)));
  });

  it('of a diagonal is not rotated, and moves its sides by its margins', async () => {
    const diagonal = await openModuleCurvature(module, settings({ kind: 'diagonal', damping: { absolute: 1 } }, false));
    expect(diagonal).toMatchObject({ outputs: null, inputs: null });
    expect(Array.from(diagonal.scale!)).toEqual(lambda.map((value) => Math.fround(1 / (value + 1))));
    [7 / 3, 3.5 / 3].forEach((value, o) => {
      expect(diagonal.outputStrength![o]).toBeCloseTo(value, 12);
    });
    [3.5, 1.25, 0.5].forEach((value, i) => {
      expect(diagonal.inputStrength![i]).toBeCloseTo(value, 12);
    });
  });

  it('of the identity divides by nothing, in the eigenbases or outside', async () => {
    const plain = await openModuleCurvature(module, { ...settings({ kind: 'identity' }, false), factors: null });
    expect(plain).toMatchObject({ scale: null, outputs: null, inputs: null, outputStrength: null });
    const rotated = await openModuleCurvature(module, settings({ kind: 'identity' }, true));
    expect(rotated.scale).toBeNull();
    expect(Array.from(rotated.outputStrength!)).toEqual([5, 0]);
  });

  it.each([
    ['relative', { relative: 0 }, /found 1 of 6 directions with no curvature and a damping of 0/],
    ['absolute', { absolute: 0 }, /found 1 of 6 directions with no curvature and a damping of 0/],
  ])(
    'that is singular is refused with a %s damping of 0, with the layer and what to set',
    async (_kind, damping, found) => {
      for (const kind of ['ekfac', 'diagonal'] as const) {
        const opening = openModuleCurvature(module, settings({ kind, damping }, kind === 'ekfac'));
        await expect(opening).rejects.toThrow(InputError);
        await expect(opening).rejects.toThrow(found);
        await expect(opening).rejects.toThrow(
          /above 0 in layer, .*set preconditioner\.damping\.relative \(0\.1\), or raise/,
        );
      }
    },
  );

  it('that is 0 everywhere is refused with any relative damping', async () => {
    const none = { ...settings({ kind: 'ekfac', damping: {} }, true), factors: await folderOf([0, 0, 0, 0, 0, 0], 1) };
    await expect(openModuleCurvature(module, none)).rejects.toThrow('found 6 of 6 directions with no curvature');
  });
});

describe('rotateRows', () => {
  it('multiplies with Q block by block, and back with its transpose', async () => {
    const products = await openProducts(1);
    const { inputs } = await openModuleCurvature(module, settings({ kind: 'identity' }, true));
    const x: Matrix = { rows: 2, columns: 3, values: Float32Array.of(1, 2, 3, -4, 5, -6) };
    const y = await rotateRows(products, x, inputs);
    const [cos, minusSin, sin, same] = turn(0.3);
    const slow = [0, 1].flatMap((r) => {
      const [a, b, c] = x.values.subarray(3 * r, 3 * r + 3);
      return [-a, b * cos + c * sin, b * minusSin + c * same];
    });
    slow.forEach((value, i) => {
      expect(y.values[i]).toBeCloseTo(value, 5);
    });
    const back = await rotateRows(products, y, inputs, true);
    x.values.forEach((value, i) => {
      expect(back.values[i]).toBeCloseTo(value, 5);
    });
    expect(await rotateRows(products, x, null)).toBe(x);
  });

  it('copies the columns that are asked for', () => {
    const x: Matrix = { rows: 2, columns: 3, values: Float32Array.of(1, 2, 3, 4, 5, 6) };
    expect(columnsOf(x, 1, 3)).toEqual({ rows: 2, columns: 2, values: Float32Array.of(2, 3, 5, 6) });
  });
});

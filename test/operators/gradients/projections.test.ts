import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type GradientModel, writeGradientModel } from '../../../operators/gradients/gradientModel.ts';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import projectGradients from '../../../operators/gradients/projectGradients.ts';
import { drawProjection, type ModuleProjection } from '../../../operators/gradients/projections.ts';
import { coverModules } from '../../../operators/gradients/tappedGraph.ts';
import type { ProjectionSettings } from '../../../schemas/configuration.ts';
import { windowBatch } from '../../windowBatch.ts';

const folder = await readModelFolder(new URL('../../goldens/gradients/all-biases', import.meta.url).pathname);
const cache = await mkdtemp(join(tmpdir(), 'headwater-projections-'));
afterAll(() => rm(cache, { recursive: true }));

const settings = { modules: ['*.mlp.*'], contextTokens: 32, batchTokens: 64 };
const { modules } = coverModules(folder, settings);
const facts = { queries: [], tasks: [], topK: 1, seed: 0 };
const batch = windowBatch([{ ids: [3, 1, 4, 1, 5, 9] }, { ids: [2, 7, 1] }]);

async function project(
  kind: Extract<ProjectionSettings, { kind: 'random' | 'exact' }>,
  seed = 11,
): Promise<{ model: GradientModel; blocks: Float32Array[]; projections: ModuleProjection[] }> {
  const projections = modules.map((module) => drawProjection(kind, seed, module));
  const model = await writeGradientModel(folder, settings, modules, projections, cache);
  const run = await projectGradients.open({ model, threadsPerWorker: 1, prepack: true }, facts);
  return { model, projections, blocks: (await run(batch)).projected };
}

/** P_oᵀ G P_i by three loops, from the whole gradient G (O,I). */
function projectSlowly(gradient: Float32Array, m: number, { outputs, inputs }: ModuleProjection): number[] {
  const { outputs: O, inputs: I } = modules[m];
  const left = (o: number, i: number) => (outputs ? outputs.values[o * outputs.k + i] : Number(o === i));
  const right = (i: number, j: number) => (inputs ? inputs.values[i * inputs.k + j] : Number(i === j));
  const [rows, columns] = [outputs?.k ?? O, inputs?.k ?? I];
  return Array.from({ length: rows * columns }, (_, at) => {
    const [a, b] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) sum += left(o, a) * gradient[o * I + i] * right(i, b);
    return sum;
  });
}

describe.each(['normal', 'rademacher'] as const)('the random %s projection', (distribution) => {
  // 20 lies between the layers' widths of 16 and 24, so that some sides are kept whole.
  it.each([5, 20])('of width %i is P_oᵀ G P_i of the exact gradient G', async (k) => {
    const exact = await project({ kind: 'exact' });
    const random = await project({ kind: 'random', k, distribution });
    expect(random.model.widths).not.toEqual(exact.model.widths);
    random.blocks.forEach((block, m) => {
      for (const w of [0, 1]) {
        const whole = exact.blocks[m].subarray(w * exact.model.widths[m], (w + 1) * exact.model.widths[m]);
        const slow = projectSlowly(whole, m, random.projections[m]);
        const fast = block.subarray(w * random.model.widths[m], (w + 1) * random.model.widths[m]);
        const scale = Math.max(...slow.map(Math.abs));
        slow.forEach((value, i) => {
          expect(Math.abs(fast[i] - value) / scale).toBeLessThan(1e-5);
        });
      }
    });
  });

  it('is another one for another seed', async () => {
    const kind = { kind: 'random', k: 5, distribution } as const;
    expect((await project(kind, 1)).blocks).not.toEqual((await project(kind, 2)).blocks);
    expect((await project(kind, 1)).blocks).toEqual((await project(kind, 1)).blocks);
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeGradientModel } from '../../../operators/gradients/gradientModel.ts';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import projectGradients from '../../../operators/gradients/projectGradients.ts';
import { drawProjection } from '../../../operators/gradients/projections.ts';
import { coverModules } from '../../../operators/gradients/tappedGraph.ts';
import { windowBatch } from '../../windowBatch.ts';

const folder = await readModelFolder(new URL('../../goldens/gradients/all-biases', import.meta.url).pathname);
const cache = await mkdtemp(join(tmpdir(), 'headwater-project-'));
afterAll(() => rm(cache, { recursive: true }));

const settings = { modules: ['*.mlp.*'], contextTokens: 32, batchTokens: 64 };
const { modules } = coverModules(folder, settings);
const model = await writeGradientModel(
  folder,
  settings,
  modules,
  modules.map((module) => drawProjection({ kind: 'exact' }, 0, module)),
  cache,
);
const project = await projectGradients.open(
  { model, threadsPerWorker: 1, prepack: true },
  { queries: [], tasks: [], topK: 1, seed: 0 },
);

describe('projectGradients', () => {
  it('gives a window the same gradient alone and padded beside a longer one', async () => {
    const alone = await project(windowBatch([{ ids: [2, 7, 1] }]));
    const beside = await project(windowBatch([{ ids: [3, 1, 4, 1, 5, 9] }, { ids: [2, 7, 1] }]));
    alone.projected.forEach((block, m) => {
      const scale = Math.max(...block.map(Math.abs));
      block.forEach((value, i) => {
        expect(Math.abs(value - beside.projected[m][model.widths[m] + i]) / scale).toBeLessThan(1e-5);
      });
    });
  });

  it('gives no rows for no windows', async () => {
    const { loss, projected } = await project(windowBatch([]));
    expect(loss).toHaveLength(0);
    expect(projected.map(({ length }) => length)).toEqual(modules.map(() => 0));
  });
});

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeGradientModel } from '../../../operators/gradients/gradientModel.ts';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import projectGradients from '../../../operators/gradients/projectGradients.ts';
import { drawProjection } from '../../../operators/gradients/projections.ts';
import { openSafetensorsFile, readTensor } from '../../../operators/gradients/safetensors.ts';
import { coverModules } from '../../../operators/gradients/tappedGraph.ts';
import { windowBatch } from '../../windowBatch.ts';

const goldens = new URL('../../goldens/gradients/', import.meta.url).pathname;
const variations = (await readdir(goldens, { withFileTypes: true })).filter((entry) => entry.isDirectory());
const cache = await mkdtemp(join(tmpdir(), 'headwater-gradients-'));
afterAll(() => rm(cache, { recursive: true }));

const settings = { modules: ['*'], contextTokens: 32, batchTokens: 64 };
const session = { threadsPerWorker: 1, prepack: true };
const facts = { queries: [], tasks: [], topK: 1, seed: 0 };

describe.each(variations.map(({ name }) => name))('the gradients of %s', (variation) => {
  it('are those of PyTorch autograd, to 1e-4 of the largest of each layer, documents of three lengths in one batch', async () => {
    const path = join(goldens, variation);
    const golden = JSON.parse(await readFile(join(path, 'golden.json'), 'utf8'));
    const { tensors: arrays } = await openSafetensorsFile(join(path, 'golden.safetensors'));
    const folder = await readModelFolder(path);
    const { modules } = coverModules(folder, settings);
    expect(modules.map(({ name }) => name)).toEqual(golden.linears.map(({ name }: { name: string }) => name));
    const model = await writeGradientModel(
      folder,
      settings,
      modules,
      modules.map((module) => drawProjection({ kind: 'exact' }, 0, module)),
      cache,
    );
    const project = await projectGradients.open({ model, ...session }, facts);
    const cases = [...golden.documents, golden.query];
    const batch = await project(windowBatch(cases));
    cases.forEach(({ loss }, w) => {
      expect(Math.abs(batch.loss[w] - loss) / loss).toBeLessThan(1e-5);
    });
    for (const [m, { name, O, I, bias }] of golden.linears.entries())
      for (const [w, label] of ['d0', 'd1', 'd2', 'query'].entries()) {
        const gradient = batch.projected[m].subarray(w * model.widths[m], (w + 1) * model.widths[m]);
        const columns = I + Number(bias);
        const weight = gradient.filter((_, i) => i % columns < I);
        expect(relativeError(weight, await readTensor(arrays.get(`${label}.${name}.weight`)!))).toBeLessThan(1e-4);
        if (!bias) continue;
        const last = gradient.filter((_, i) => i % columns === I);
        expect(last.length).toBe(O);
        expect(relativeError(last, await readTensor(arrays.get(`${label}.${name}.bias`)!))).toBeLessThan(1e-4);
      }
  });
});

describe('the squared norm of a gradient', () => {
  it.each([
    ['exact', { kind: 'exact' }],
    ['random', { kind: 'random', k: 3, distribution: 'normal' }],
  ] as const)('is that of the whole gradient, whatever is kept of it: %s', async (_kind, projection) => {
    const folder = await readModelFolder(join(goldens, 'all-biases'));
    const { modules } = coverModules(folder, settings);
    const open = async (kind: Parameters<typeof drawProjection>[0], norms: boolean) => {
      const projections = modules.map((module) => drawProjection(kind, 0, module));
      const model = await writeGradientModel(folder, settings, modules, projections, cache, norms);
      return { model, project: await projectGradients.open({ model, ...session }, facts) };
    };
    const whole = await open({ kind: 'exact' }, false);
    const normed = await open(projection, true);
    const windows = windowBatch([{ ids: [3, 1, 4, 1, 5, 9, 2, 6] }, { ids: [5, 3] }, { ids: [5, 8, 9], lossFrom: 2 }]);
    const { projected } = await whole.project(windows);
    const { squaredNorm } = await normed.project(windows);
    for (const w of [0, 1, 2]) {
      const sum = projected.reduce((all, block, m) => {
        const gradient = block.subarray(w * whole.model.widths[m], (w + 1) * whole.model.widths[m]);
        return all + gradient.reduce((squares, value) => squares + value * value, 0);
      }, 0);
      expect(Math.abs(squaredNorm![w] - sum) / sum).toBeLessThan(1e-5);
    }
    expect((await whole.project(windows)).squaredNorm).toBeNull();
    expect((await normed.project(windowBatch([]))).squaredNorm).toHaveLength(0);
  });
});

/** max |difference| / max |golden|, as test/goldens/gradients/make.py says. */
function relativeError(found: Float32Array, golden: Float32Array): number {
  expect(found.length).toBe(golden.length);
  const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return largest(found.map((value, i) => value - golden[i])) / largest(golden);
}

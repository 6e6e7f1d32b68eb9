import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type FactorFolder, readSums } from '../../../operators/curvature/factorFolder.ts';
import { blockBounds, covarianceBlocks, sumsLength } from '../../../operators/curvature/sides.ts';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { openSafetensorsFile, readTensor } from '../../../operators/gradients/safetensors.ts';
import { readConfiguration } from '../../../pipeline/configuration/readConfiguration.ts';
import { wantedFolder } from '../../../pipeline/stages/fit.ts';
import { prepareModel } from '../../../pipeline/stages/prepare.ts';
import { fitStage, queriesStage } from '../../../pipeline/stages/stages.ts';
import { quietHooks, run } from '../../pipeline/smallWorld.ts';
import { difference, type Golden, goldenModels, goldenWorld, pearson, readGolden, scoresOf } from './goldenWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('../../pipeline/pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

// Runs that need the same factors share them.
const cache = await mkdtemp(join(tmpdir(), 'headwater-kronfluence-'));
afterAll(() => rm(cache, { recursive: true }));

const strategies = ['ekfac', 'kfac', 'diagonal', 'identity'] as const;
const withBlocks = (blocks: number) => ({ fit: { documents: 40, labels: 'empirical', blocks } });

const cases: [what: string, settings: Record<string, unknown>, of: (golden: Golden) => number[][]][] = [
  ...strategies.map((kind): (typeof cases)[number] => [
    kind,
    { preconditioner: { kind } },
    ({ scores }) => scores[kind],
  ]),
  ...(['ekfac', 'identity'] as const).map((kind): (typeof cases)[number] => [
    `${kind} as cosines`,
    { preconditioner: { kind }, cosine: true },
    ({ cosine }) => cosine[kind],
  ]),
  ...(['2', '4'] as const).map((b): (typeof cases)[number] => [
    `ekfac with ${b} blocks`,
    withBlocks(Number(b)),
    ({ blocks }) => blocks[b],
  ]),
];

async function fitted(path: string): Promise<FactorFolder> {
  const { configuration } = await readConfiguration(path);
  const hooks = quietHooks();
  await fitStage(configuration, hooks);
  const corpus = await openCorpus(configuration.corpus, configuration.folder);
  return (await wantedFolder(await prepareModel(configuration, hooks), corpus)) as FactorFolder;
}

describe.each(goldenModels)('%s', async (name) => {
  const golden = await readGolden(name);

  it.each(cases)('has kronfluence’s scores by %s', async (_what, settings, of) => {
    const { out } = await run(await goldenWorld(name, { cache, ...settings }));
    const scores = await scoresOf(out, golden.queries.length, golden.documents.length);
    const expected = of(golden);
    scores.forEach((row, q) => {
      expect(difference(row, expected[q])).toBeLessThan(1e-4);
      expect(pearson(row, expected[q])).toBeGreaterThan(0.999999);
    });
  });

  it('has kronfluence’s covariances and their means over all positions', async () => {
    const folder = await fitted(await goldenWorld(name, { cache }));
    for (const { name: linear, O, I, bias } of golden.linears) {
      const width = I + Number(bias);
      for (const [side, part, n] of [
        ['outputs', 'S', O],
        ['inputs', 'A', width],
      ] as const) {
        const owner = side === 'inputs' ? ownerOf(linear) : linear;
        const { values, count } = await readSums(folder, 'covariance', `${owner}.${side}`, sumsLength(n, 1));
        expect(count).toBe(golden.positions);
        const [{ matrix }] = covarianceBlocks(values, n, 1, count);
        expect(difference(matrix, await golden.array(`${linear}.${part}`))).toBeLessThan(5e-5);
      }
    }
  });

  it.each([
    ['ekfac', 'squares', 'lambda', 1],
    ['ekfac', 'squares', 'lambdaBlocks2', 2],
    ['diagonal', 'fisher', 'lambdaDiagonal', 1],
  ] as const)('has kronfluence’s Λ by %s (%s, %s)', async (kind, sums, array, blocks) => {
    const settings = { cache, preconditioner: { kind }, ...withBlocks(blocks) };
    const folder = await fitted(await goldenWorld(name, settings));
    for (const { name: linear, O, I, bias } of golden.linears) {
      const width = I + Number(bias);
      const { values, count } = await readSums(folder, sums, linear, O * width);
      expect(count).toBe(golden.documents.length);
      const lambda = values.map((sum) => sum / count);
      const found = kind === 'diagonal' ? lambda : smallestFirst(lambda, O, width, blocks);
      expect(difference(found, await golden.array(`${linear}.${array}`))).toBeLessThan(5e-5);
    }
  });

  it('has the scores that are expected of sampled labels, nearly, with 64 draws of every label', async () => {
    const settings = { cache, batchTokens: 4096, fit: { documents: 2560, labels: 'sampled' } };
    const { out } = await run(await goldenWorld(name, settings, 64));
    const scores = await scoresOf(out, golden.queries.length, golden.documents.length);
    scores.forEach((row, q) => {
      const agreement = pearson(row, golden.sampled.expected[q]);
      expect(agreement).toBeGreaterThan(0.997);
      // Real labels are another estimator.
      expect(agreement).toBeGreaterThan(pearson(row, golden.scores.ekfac[q]));
    });
  });

  it.each(['ekfac', 'kfac', 'diagonal'] as const)('has kronfluence’s preconditioned gradients by %s', async (kind) => {
    const path = await goldenWorld(name, { cache, preconditioner: { kind } });
    const { configuration } = await readConfiguration(path);
    const { summary } = await queriesStage(configuration, quietHooks());
    const { tensors } = await openSafetensorsFile(summary.split(' ').at(-1)!);
    const layer = 'model.layers.1.mlp.down_proj';
    const gradients = await readTensor(tensors.get(`gradient.${layer}`)!);
    const width = gradients.length / golden.queries.length;
    for (const q of golden.queries.keys()) {
      const expected = await golden.array(`${layer}.query${q}.${kind}`);
      expect(difference(gradients.subarray(q * width, (q + 1) * width), expected)).toBeLessThan(1e-4);
    }
  });
});

/** Layers that read the same input share its covariance. */
function ownerOf(linear: string): string {
  return linear.replace(/(k|v)_proj$/, 'q_proj').replace('up_proj', 'gate_proj');
}

/** Λ (O,I) with the coordinates of each block in the order of ascending eigenvalues, as the goldens have them. */
function smallestFirst(lambda: Float64Array, O: number, I: number, blocks: number): Float64Array {
  const turned = (n: number) =>
    blockBounds(n, blocks).flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => end - 1 - i));
  const columns = turned(I);
  return Float64Array.from(turned(O).flatMap((o) => columns.map((i) => lambda[o * I + i])));
}

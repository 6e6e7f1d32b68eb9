import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openQueryCache, type QueryFingerprint, writeQueryCache } from '../../../operators/queries/queryCache.ts';
import { writeJoinModel } from '../../../operators/scores/joinModel.ts';
import scoreAgainstQueries from '../../../operators/scores/scoreAgainstQueries.ts';
import type { ProjectedGradients } from '../../../schemas/batches.ts';
import { windowBatch } from '../../windowBatch.ts';

const scratch = await mkdtemp(join(tmpdir(), 'headwater-scores-'));
afterAll(() => rm(scratch, { recursive: true }));
const facts = { queries: ['a', 'b', 'c'], tasks: [], topK: 1, seed: 0 };
const widths = [7, 5];

const wanted: QueryFingerprint = {
  version: 1,
  model: 'm',
  queryModel: 'm',
  tokenizer: 't',
  modules: ['one', 'two'],
  contextTokens: 8,
  chatTemplate: false,
  preconditioner: { kind: 'identity' },
  projection: { kind: 'exact' },
  factors: null,
  seed: 0,
  queries: 'q',
  operator: null,
};

/** Numbers that differ from place to place. */
function numbers(count: number, salt: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + salt));
}

async function openScores(queryNorms: number[] | null = null) {
  const path = join(scratch, 'queries.safetensors');
  const blocks = widths.map((width, m) => ({ module: wanted.modules[m], width, values: numbers(3 * width, m) }));
  const columns = { loss: [1.5, 2.5, 3.5], tokens: [1, 2, 3], squaredNorm: null, layers: null };
  const projection = { outputs: null, inputs: null };
  const layers = blocks.map(({ values, ...layer }) => {
    return { ...layer, outputs: null, inputs: null, block: async () => ({ values, projection }) };
  });
  await writeQueryCache(path, wanted, columns, layers);
  const cache = await openQueryCache(path, wanted);
  const settings = { path: await writeJoinModel(cache), queries: 3, widths: cache.widths, queryNorms };
  return { score: await scoreAgainstQueries.open({ ...settings, threadsPerWorker: 1 }, facts), blocks, cache };
}

function gradients(document: number[]): ProjectedGradients {
  const { windows: _, ...columns } = windowBatch(
    Array.from({ length: Math.max(...document) + 1 }, () => ({ ids: [1, 2] })),
  );
  return {
    ...columns,
    document: Uint32Array.from(document),
    tokens: Uint32Array.from(document, (_, w) => w + 1),
    loss: Float64Array.from(document, (_, w) => w + 0.5),
    projected: widths.map((width, m) => numbers(document.length * width, 10 + m)),
  };
}

describe('scoreAgainstQueries', () => {
  it('is the sum over modules and windows of dot products, as three loops give it', async () => {
    const { score, blocks, cache } = await openScores();
    expect(cache.loss).toEqual([1.5, 2.5, 3.5]);
    const batch = gradients([0, 1, 1, 2]);
    const scored = await score(batch);
    const slow = new Float64Array(9);
    batch.document.forEach((b, w) => {
      for (let q = 0; q < 3; q++)
        widths.forEach((width, m) => {
          for (let i = 0; i < width; i++)
            slow[b * 3 + q] += batch.projected[m][w * width + i] * blocks[m].values[q * width + i];
        });
    });
    scored.scores.forEach((value, i) => {
      expect(Math.abs(value - slow[i])).toBeLessThan(1e-5);
    });
    expect(Array.from(scored.tokens)).toEqual([1, 5, 4]);
    expect(Array.from(scored.loss)).toEqual([0.5, 4, 3.5]);
  });

  it('divides by the norms of both gradients where cosines are asked for, and leaves a zero gradient’s 0', async () => {
    const batch = { ...gradients([0, 1, 2]), squaredNorm: Float64Array.of(4, 0.25, 0) };
    for (const block of batch.projected) block.fill(0, (block.length / 3) * 2);
    const dots = await (await openScores()).score(batch);
    const cosines = await (await openScores([2, 0.5, 0])).score(batch);
    const divisors = [4, 1, 1, 1, 0.25, 1, 1, 1, 1];
    cosines.scores.forEach((value, i) => {
      expect(value).toBeCloseTo(dots.scores[i] / divisors[i], 12);
    });
    expect(Array.from(cosines.scores.slice(6))).toEqual([0, 0, 0]);
  });

  it('names a projection that is not the cache’s', async () => {
    const { score } = await openScores();
    const batch = gradients([0]);
    batch.projected[1] = numbers(9, 0);
    await expect(score(batch)).rejects.toThrow('expected projected gradients of 5 dimensions for module 1, got 9');
  });
});

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { difference, goldenWorld, readGolden, scoresOf } from '../../../operators/curvature/goldenWorld.ts';
import { quietHooks, run, smallFolder } from '../../smallWorld.ts';

// Each run starts several pools of worker threads.
vi.setConfig({ testTimeout: 120_000 });

describe('a pass over the sample in worker threads', () => {
  const settings = {
    modules: ['*.mlp.*'],
    batchTokens: 64,
    preconditioner: { kind: 'ekfac' },
    projection: { kind: 'queryAdaptive', k: 12 },
    fit: { documents: 30, labels: 'sampled' },
  };

  it('gives kronfluence’s scores', async () => {
    const golden = await readGolden('all-biases');
    const { out } = await run(await goldenWorld('all-biases', { batchTokens: 64, pool: { workers: 2 } }));
    const scores = await scoresOf(out, golden.queries.length, golden.documents.length);
    scores.forEach((row, q) => {
      expect(difference(row, golden.scores.ekfac[q])).toBeLessThan(1e-4);
    });
  });

  it('gives the same factors, query gradients and tables with one worker and with two, byte for byte', async () => {
    const path = await goldenWorld('all-biases', settings);
    const found = [];
    for (const workers of [1, 2]) {
      const folder = await smallFolder();
      const { out } = await run(path, [`pool.workers=${workers}`, `cache=${folder}`, `out=${join(folder, 'out')}`]);
      const caches = (await readdir(folder, { recursive: true })).filter((name) => /safetensors$/.test(name)).sort();
      const files = await Promise.all(
        caches.map(async (name) => [name, (await readFile(join(folder, name))).toString('base64')]),
      );
      const tables = (await readdir(out)).filter((name) => name.endsWith('.parquet')).sort();
      const written = await Promise.all(
        tables.map(async (name) => [name, (await readFile(join(out, name))).toString('base64')]),
      );
      found.push(Object.fromEntries([...files, ...written]));
    }
    expect(Object.keys(found[0]).filter((name) => name.includes('curvature-'))).toHaveLength(10 + 10 + 6);
    expect(Object.keys(found[0]).filter((name) => name.startsWith('queries-'))).toHaveLength(1);
    expect(Object.keys(found[1])).toEqual(Object.keys(found[0]));
    for (const [name, content] of Object.entries(found[0])) expect(found[1][name] === content, name).toBe(true);
  });

  it('that is stopped ends with the reason of the stop, and leaves no half of it behind', async () => {
    const path = await goldenWorld('all-biases', { ...settings, batchTokens: 2, pool: { workers: 2 } });
    const stop = new AbortController();
    const hooks = quietHooks(stop.signal);
    const reason = new Error('stopped by the test');
    let seen = 0;
    hooks.progress.advance = ({ items }) => {
      seen += items;
      if (seen === 5) stop.abort(reason);
    };
    await expect(run(path, [], hooks)).rejects.toBe(reason);
    expect(seen).toBeLessThan(30);
    const written = await readdir(join(path, '../.headwater'), { recursive: true });
    expect(written.filter((name) => /curvature-.*safetensors/.test(name))).toEqual([]);
  });
});

import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { readConfiguration } from '../../../pipeline/configuration/readConfiguration.ts';
import { mergeStage, runStage } from '../../../pipeline/stages/stages.ts';
import {
  quietHooks,
  readJson,
  readTable,
  run,
  type SmallDocument,
  smallFolder,
  someDocuments,
  writeWorld,
} from '../smallWorld.ts';

// A run starts worker threads, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const documents = Array.from({ length: 60 }, (_, i): SmallDocument => {
  const text = i % 11 === 7 ? null : `${someDocuments[i % 7].text} Number ${i}.`;
  return { text, id: `d${i % 50}`, source: `source ${i % 3}` };
});

const settings = { slice: { documents: 5, rows: 8 }, batchTokens: 128, maxSkipped: { share: 1 } };

async function shard(path: string, index: number, count: number, sets: string[] = []): Promise<string> {
  const { configuration } = await readConfiguration(path, sets);
  await runStage(configuration, quietHooks(), { index, count });
  return join(configuration.out, 'shards', `${index}-of-${count}`);
}

async function fourShards(folder: string): Promise<{ path: string; shards: string[] }> {
  const path = await writeWorld(folder, settings, documents);
  const shards: string[] = [];
  for (const index of [1, 2, 3, 4]) shards.push(await shard(path, index, 4));
  return { path, shards };
}

describe('shards', () => {
  it('merged are the run: the same rankings and counts, correlations to rounding', async () => {
    const folder = await smallFolder();
    const { path, shards } = await fourShards(folder);
    const whole = await run(path, [`out=${join(folder, 'whole')}`]);
    const out = join(folder, 'merged');
    await mergeStage([shards[2], shards[0], shards[3], shards[1]], out, quietHooks());
    for (const name of ['top_documents', 'bottom_documents', 'skipped', 'scores', 'sources', 'kinds', 'bm25_documents'])
      expect(await readTable(out, name)).toEqual(await readTable(whole.out, name));
    const [merged, one] = [await readTable(out, 'correlations'), await readTable(whole.out, 'correlations')];
    for (const [i, { r, n }] of merged.entries()) {
      expect(n).toBe(one[i].n);
      expect(r).toBeCloseTo(one[i].r as number, 12);
    }
    const [a, b] = [await readJson(out, 'run.json'), await readJson(whole.out, 'run.json')];
    expect({ ...a.counts, loss: 0 }).toEqual({ ...b.counts, loss: 0 });
    expect(a.counts.loss).toBeCloseTo(b.counts.loss, 9);
    expect(a.counts.setAside['null text']).toBe(5);
  });

  it('are found below the run folder that they were computed for, and computed once', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder, settings, documents);
    const { configuration } = await readConfiguration(path);
    await shard(path, 1, 1);
    const again = await runStage(configuration, quietHooks(), { index: 1, count: 1 });
    expect(again.summary).toContain('done already');
    const { summary } = await mergeStage([configuration.out], configuration.out, quietHooks());
    expect(summary).toContain('60 read = 55 scored + 5 set aside');
    expect(await readTable(configuration.out, 'scores')).toHaveLength(2 * 55);
  });

  it('refuse to be merged where one is there twice, missing, damaged or of another run', async () => {
    const folder = await smallFolder();
    const { path, shards } = await fourShards(folder);
    const merge = (...folders: string[]) => mergeStage(folders, join(folder, 'merged'), quietHooks());
    const copy = join(folder, 'copy');
    await cp(shards[1], copy, { recursive: true });
    await expect(merge(...shards, copy)).rejects.toThrow(
      /merge expected each shard once, got shard 2 of 4 twice: .*2-of-4 and .*copy\. Leave one out/,
    );
    await expect(merge(...shards.slice(0, 2), shards[3])).rejects.toThrow(
      /merge expected all 4 shards, got 3: 3 of 4 is missing\. Compute it with run --shard 3\/4/,
    );
    const stranger = await shard(path, 2, 4, ['topK=2', `out=${join(folder, 'other')}`]);
    await expect(merge(shards[0], stranger, shards[2], shards[3])).rejects.toThrow(
      /the shard .*other\/shards\/2-of-4 was made for something else: topK \(expected 3, found 2\)\. Leave it out/,
    );
    const third = await shard(path, 1, 3);
    await expect(merge(...shards, third)).rejects.toThrow(
      /1-of-3 was made for something else: shards \(expected 4, found 3\)/,
    );
    await expect(merge(join(folder, 'nowhere'))).rejects.toThrow(
      /merge expected the folder of a shard, .*got .*nowhere/,
    );

    const folds = await readFile(join(copy, 'folds.bin'));
    folds[folds.length >> 1] ^= 4;
    await writeFile(join(copy, 'folds.bin'), folds);
    await expect(merge(shards[0], copy, shards[2], shards[3])).rejects.toThrow(
      /the shard .*copy is damaged: folds\.bin expected the SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}/,
    );
    const manifest = await readFile(join(copy, 'manifest.json'), 'utf8');
    await writeFile(join(copy, 'manifest.json'), manifest.replace('"topK":3', '"topK":2'));
    await expect(merge(shards[0], copy, shards[2], shards[3])).rejects.toThrow(
      /a shard is not whole: .*manifest\.json/,
    );
    await rm(join(copy, 'manifest.json'));
    await expect(merge(shards[0], copy, shards[2], shards[3])).rejects.toThrow(/merge expected the folder of a shard/);
  });

  it('refuse to be merged with a corpus that has changed since', async () => {
    const folder = await smallFolder();
    const { path, shards } = await fourShards(folder);
    await writeWorld(folder, settings, documents.slice(1));
    await expect(mergeStage(shards, join(folder, 'merged'), quietHooks())).rejects.toThrow(
      /the shards were made for something else: corpus\.files/,
    );
    expect(path).toBeTruthy();
  });
});

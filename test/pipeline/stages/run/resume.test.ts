import { appendFileSync, utimesSync } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { latestCheckpoint } from '../../../../pipeline/checkpoints/checkpointFiles.ts';
import { readConfiguration } from '../../../../pipeline/configuration/readConfiguration.ts';
import { mergeStage, runStage } from '../../../../pipeline/stages/stages.ts';
import {
  bundledModel,
  digests,
  quietHooks,
  readJson,
  readTable,
  run,
  smallFolder,
  someDocuments,
  writeWorld,
} from '../../smallWorld.ts';

// A run starts worker threads, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

describe('a run that is stopped', () => {
  const many = Array.from({ length: 200 }, (_, i) => ({ ...someDocuments[i % 7], id: `d${i}` }));

  /** Hooks that stop the run once so many documents have been scored. */
  function stoppingAt(documents: number) {
    const stop = new AbortController();
    const hooks = quietHooks(stop.signal);
    let [scoring, seen] = [false, 0];
    hooks.progress.stage = (name) => {
      scoring = name === 'documents';
    };
    hooks.progress.advance = ({ items }) => {
      if (scoring) seen += items;
      if (seen >= documents) stop.abort(new Error('stopped by the test'));
    };
    return { ...hooks, resume: true };
  }

  it('goes on from its checkpoint to the same tables, byte for byte', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder, { slice: { documents: 2 } }, many);
    const whole = await run(path, [`out=${join(folder, 'whole')}`]);
    for (const documents of [22, 60])
      await expect(run(path, [], stoppingAt(documents))).rejects.toThrow('stopped by the test');
    const hooks = { ...quietHooks(), resume: true };
    const { out } = await run(path, [], hooks);
    expect(hooks.lines.join()).toMatch(/going on from the checkpoint behind row \d\d+ of the corpus/);
    expect(await digests(out)).toEqual(await digests(whole.out));
    expect((await readJson(out, 'run.json')).counts).toEqual((await readJson(whole.out, 'run.json')).counts);
  });
});

describe('a checkpoint', () => {
  const many = Array.from({ length: 60 }, (_, i) => ({ ...someDocuments[i % 7], id: `d${i}` }));
  const settings = { slice: { documents: 2 }, checkpoint: { seconds: 0 } };

  /** Hooks that call `meanwhile` once some documents are scored. */
  function onceScored(documents: number, meanwhile: () => void) {
    const hooks = { ...quietHooks(), resume: true };
    let [scoring, seen] = [false, 0];
    hooks.progress.stage = (name) => {
      scoring = name === 'documents';
    };
    hooks.progress.advance = ({ items }) => {
      const before = seen;
      if (scoring) seen += items;
      if (before < documents && seen >= documents) meanwhile();
    };
    return hooks;
  }

  async function stoppedRun(folder: string) {
    const path = await writeWorld(folder, settings, many);
    const whole = await run(path, [`out=${join(folder, 'whole')}`]);
    const stop = new AbortController();
    const hooks = { ...onceScored(20, () => stop.abort(new Error('stopped'))), signal: stop.signal };
    await expect(run(path, [], hooks)).rejects.toThrow('stopped');
    const { configuration } = await readConfiguration(path);
    return { path, whole: whole.out, checkpoints: join(configuration.out, 'checkpoint') };
  }

  it('that is damaged gives way to the one before it, which is said, and the tables are the same', async () => {
    const folder = await smallFolder();
    const { path, whole, checkpoints } = await stoppedRun(folder);
    const latest = await latestCheckpoint(checkpoints, () => {});
    const file = join(checkpoints, `generation-${latest!.generation % 2}.bin`);
    const bytes = await readFile(file);
    bytes[bytes.length >> 1] ^= 16;
    await writeFile(file, bytes);
    const hooks = { ...quietHooks(), resume: true };
    const { out } = await run(path, [], hooks);
    expect(hooks.lines.join()).toMatch(/the checkpoint .* is damaged \(.*\): going on from the one before/);
    expect(await digests(out)).toEqual(await digests(whole));
  });

  it('of another configuration, model or version is refused with the keys that differ, and stays', async () => {
    const folder = await smallFolder();
    const { path, whole } = await stoppedRun(folder);
    const other = (...sets: string[]) => run(path, sets, { ...quietHooks(), resume: true });
    await expect(other('topK=2')).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringMatching(
        /^the unfinished run in .* was made for something else: topK \(expected 2, found 3\)\. Name/,
      ),
    });
    const model = join(folder, 'model');
    await cp(bundledModel, model, { recursive: true });
    const weights = await readFile(join(model, 'model.safetensors'));
    weights[weights.length - 1] ^= 1;
    await writeFile(join(model, 'model.safetensors'), weights);
    await expect(other(`model=${model}`)).rejects.toThrow(
      /made for something else: model \(expected "[0-9a-f]+…?.*found/,
    );
    const { out } = await other();
    expect(await digests(out)).toEqual(await digests(whole));
  });

  it('is not written once a file of the corpus was touched or grew: the run ends, and goes on once it is put back', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder, settings, many);
    const whole = await run(path, [`out=${join(folder, 'whole')}`]);
    const corpus = join(folder, 'corpus.parquet');
    const bytes = await readFile(corpus);
    const touch = () => utimesSync(corpus, 1, 1);
    await expect(run(path, [], onceScored(10, touch))).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringMatching(
        /^the corpus file corpus\.parquet has changed since the run began \(it was written at .*put it back/,
      ),
    });
    const grow = () => appendFileSync(corpus, 'more');
    await expect(run(path, [], onceScored(10, grow))).rejects.toMatchObject({ exitCode: 5 });
    await writeFile(corpus, bytes);
    const hooks = { ...quietHooks(), resume: true };
    const { out } = await run(path, [], hooks);
    expect(hooks.lines.join()).toContain('going on from the checkpoint');
    expect(await digests(out)).toEqual(await digests(whole.out));
  });
});

describe('the top documents', () => {
  it('are the same for any batch size, number of workers and division into shards', async () => {
    const folder = await smallFolder();
    // No two alike: what rounding does to equal gradients in batches of other sizes would decide their order.
    const documents = Array.from({ length: 40 }, (_, i) => {
      return { text: `${someDocuments[i % 7].text} ${'Also '.repeat(i % 6)}${i} and ${i * i}.`, id: `d${i % 30}` };
    });
    const path = await writeWorld(folder, { slice: { documents: 5, rows: 8 } }, documents);
    const ranked = async (out: string) =>
      (await readTable(out, 'top_documents')).map(({ query_id, rank, row }) => [query_id, rank, row]);
    const expected = await ranked((await run(path)).out);
    for (const sets of [
      ['batchTokens=64', 'slice.documents=1'],
      ['batchTokens=1024', 'slice.documents=40', 'slice.rows=40', 'pool.workers=2'],
    ])
      expect(await ranked((await run(path, sets)).out)).toEqual(expected);
    const { configuration } = await readConfiguration(path, [`out=${join(folder, 'sharded')}`]);
    for (const index of [1, 2, 3]) await runStage(configuration, quietHooks(), { index, count: 3 });
    await mergeStage([configuration.out], configuration.out, quietHooks());
    expect(await ranked(configuration.out)).toEqual(expected);
  });
});

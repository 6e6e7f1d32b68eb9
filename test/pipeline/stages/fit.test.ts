import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { FactorFolder, Part } from '../../../operators/curvature/factorFolder.ts';
import { readSums } from '../../../operators/curvature/factorFolder.ts';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { openSafetensorsFile } from '../../../operators/gradients/safetensors.ts';
import { readConfiguration } from '../../../pipeline/configuration/readConfiguration.ts';
import { wantedFolder } from '../../../pipeline/stages/fit.ts';
import { prepareModel } from '../../../pipeline/stages/prepare.ts';
import { fitStage, planStage } from '../../../pipeline/stages/stages.ts';
import { InputError, UsageError } from '../../../schemas/errors.ts';
import { difference, goldenWorld, lettersModel, scoresOf, textOf } from '../../operators/curvature/goldenWorld.ts';
import { command, quietHooks, run, type SmallDocument, smallFolder, writeWorld } from '../smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('../pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

/** The golden world of the MLP layers, which are enough for laws. */
function smallWorld(settings: Record<string, unknown> = {}): Promise<string> {
  return goldenWorld('mha-untied', { modules: ['*.mlp.*'], ...settings });
}

/** A world of these documents, each letter a token, and one query. */
async function lettersWorld(documents: SmallDocument[], settings: Record<string, unknown> = {}): Promise<string> {
  const folder = await smallFolder();
  const model = await lettersModel('mha-untied', folder);
  const base = { model, contextTokens: 32, preconditioner: { kind: 'ekfac' }, projection: { kind: 'exact' } };
  return writeWorld(folder, { ...base, ...settings }, documents, [{ id: 'q0', prompt: 'AB', completion: 'CD' }]);
}

/** Fits the configuration at `path`, and gives the folder of its factors. */
async function fitted(path: string, sets: string[] = [], hooks = quietHooks(), part: Part | null = null) {
  const { configuration } = await readConfiguration(path, sets);
  const { summary } = await fitStage(configuration, hooks, part);
  const corpus = await openCorpus(configuration.corpus, configuration.folder);
  const folder = (await wantedFolder(await prepareModel(configuration, hooks), corpus)) as FactorFolder;
  return { folder, summary, lines: hooks.lines };
}

/** Every factor file of a folder by its name. */
async function filesOf({ path }: FactorFolder): Promise<Map<string, Buffer>> {
  const names = (await readdir(path)).filter((name) => name.endsWith('.safetensors')).sort();
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(path, name))] as const)));
}

/** Bytes of `content`, without the header, whose fingerprint names the folder. */
async function sumsOf(folder: FactorFolder, kind: 'covariance' | 'squares' | 'fisher'): Promise<Float64Array[]> {
  const sums: Float64Array[] = [];
  for (const name of (await filesOf(folder)).keys()) {
    if (!name.startsWith(kind)) continue;
    const { metadata, tensors } = await openSafetensorsFile(join(folder.path, name));
    const item = metadata.factor.slice(kind.length + 1);
    const { values, count } = await readSums(folder, kind, item, tensors.get('sums')!.shape[0]);
    sums.push(Float64Array.of(...values, count));
  }
  expect(sums.length).toBeGreaterThan(0);
  return sums;
}

const anotherCache = async () => [`cache=${await smallFolder()}`];

describe('a fit', () => {
  it('writes the same bytes twice, and others with another seed', async () => {
    const path = await smallWorld({ fit: { documents: 12, labels: 'sampled' } });
    const [one, again] = [await fitted(path), await fitted(path, await anotherCache())];
    expect([...(await filesOf(again.folder))]).toEqual([...(await filesOf(one.folder))]);
    const other = await fitted(path, ['seed=1']);
    expect(other.folder.path).not.toBe(one.folder.path);
    const inputs = (folder: FactorFolder) => readSums(folder, 'covariance', 'model.layers.0.mlp.gate_proj.inputs', 256);
    // Other documents are drawn.
    expect(difference((await inputs(other.folder)).values, (await inputs(one.folder)).values)).toBeGreaterThan(0.01);
  });

  it('draws other labels with another seed, and for the same text in another row', async () => {
    const all = { fit: { documents: 1000, labels: 'sampled' } };
    const path = await smallWorld(all);
    const sums = async (sets: string[]) =>
      (await sumsOf((await fitted(path, sets)).folder, 'covariance')) as Float64Array[];
    const [one, other] = [await sums([]), await sums(['seed=1'])];
    // Inputs are the documents' own, gradients those of the labels.
    const differing = one.map((values, i) => difference(other[i], values) > 1e-3);
    expect(new Set(differing)).toEqual(new Set([true, false]));
    const texts = Array.from({ length: 2 }, () => ({ text: textOf([5, 9, 33, 17, 8, 40]) }));
    const diagonal = { preconditioner: { kind: 'diagonal' }, ...all };
    const fisher = async (documents: SmallDocument[]) => {
      const { folder } = await fitted(await lettersWorld(documents, diagonal));
      return sumsOf(folder, 'fisher');
    };
    const [both, alone] = [await fisher(texts), await fisher(texts.slice(1))];
    const doubled = alone.map((values) => values.map((value) => 2 * value));
    expect(difference(both[0], doubled[0])).toBeGreaterThan(1e-3);
  });

  it('merged from three parts is the fit of the whole', async () => {
    const path = await smallWorld();
    const whole = await fitted(path);
    const sets = await anotherCache();
    const first = await fitted(path, sets, quietHooks(), { index: 1, count: 3 });
    expect(first.summary).toContain(
      'part 1 of 3 is done as far as it can be: once all 3 are, the next headwater fit merges them',
    );
    await fitted(path, sets, quietHooks(), { index: 3, count: 3 });
    const last = await fitted(path, sets, quietHooks(), { index: 2, count: 3 });
    expect(last.lines.join('\n')).toContain('fit: merged covariance of 10 from 3 parts');
    // The last part of the covariances goes on with its own part of the squares.
    expect(last.summary).toContain('part 2 of 3 is done');
    for (const index of [1, 3]) await fitted(path, sets, quietHooks(), { index, count: 3 });
    const merged = await fitted(path, sets);
    expect(merged.lines.join('\n')).not.toContain('merged');
    for (const kind of ['covariance', 'squares'] as const) {
      const [expected, found] = [await sumsOf(whole.folder, kind), await sumsOf(merged.folder, kind)];
      found.forEach((values, i) => {
        expect(values.at(-1)).toBe(expected[i].at(-1));
        expect(difference(values, expected[i])).toBeLessThan(kind === 'covariance' ? 1e-6 : 1e-4);
      });
    }
    const scores = async (more: string[]) => scoresOf((await run(path, more)).out, 4, 40);
    const [expected, found] = [await scores([]), await scores(sets)];
    found.forEach((row, q) => {
      expect(difference(row, expected[q])).toBeLessThan(1e-4);
    });
  });

  it('merged from parts of which one has no document is the fit of the whole', async () => {
    const path = await lettersWorld([{ text: 'ABCDEFGHIJ' }, { text: null }, { text: 'KLMNOP' }], { cosine: true });
    const whole = await fitted(path);
    const sets = await anotherCache();
    for (const index of [1, 2, 3, 1, 2]) await fitted(path, sets, quietHooks(), { index, count: 3 });
    const [expected, found] = [
      await sumsOf(whole.folder, 'squares'),
      await sumsOf((await fitted(path, sets)).folder, 'squares'),
    ];
    found.forEach((values, i) => {
      expect(difference(values, expected[i])).toBeLessThan(1e-4);
    });
  });

  it('of parts without any document is refused where they are merged', async () => {
    const path = await lettersWorld([{ text: null }, { text: 'A' }]);
    await fitted(path, [], quietHooks(), { index: 1, count: 2 });
    await expect(fitted(path, [], quietHooks(), { index: 2, count: 2 })).rejects.toThrow(
      'fit expected documents with at least two tokens, and none of the 2 parts has them: see corpus and fit.documents',
    );
  });

  it('is another one where text that is not UTF-8 is replaced rather than set aside', async () => {
    const path = await smallWorld({ fit: { documents: 3 } });
    const corpus = { files: ['corpus.parquet'], idColumn: 'id', sourceColumn: 'source' };
    const folders = await Promise.all(
      ['setAside', 'replace'].map(async (invalidText) => {
        return (await fitted(path, [`corpus=${JSON.stringify({ ...corpus, invalidText })}`])).folder.path;
      }),
    );
    expect(folders[0]).not.toBe(folders[1]);
  });

  it('is the same one for any part of the corpus that a run scores', async () => {
    const path = await smallWorld({ fit: { documents: 3 } });
    const sets = ['corpus.limit=5', 'corpus.skip=2', 'topK=7', 'preconditioner.damping.absolute=1'];
    expect((await fitted(path, sets)).folder.path).toBe((await fitted(path)).folder.path);
  });

  it('cut into passes by little memory writes the files of one pass', async () => {
    // A call for each document, so that no float32 sum depends on which documents are together.
    const path = await smallWorld({ modules: ['*'], batchTokens: 2, fit: { documents: 6, labels: 'empirical' } });
    const staged = async (...sets: string[]) => {
      const hooks = quietHooks();
      const stages: string[] = [];
      hooks.progress.stage = (name) => void stages.push(name);
      return { ...(await fitted(path, [...(await anotherCache()), ...sets], hooks)), stages };
    };
    // Every worker needs memory of its own for what it adds.
    const cut = await staged('pool.workers=1000', 'fit.memoryMiB=16');
    expect(cut.stages.filter((name) => name.includes('covariances'))).toEqual([
      'covariances, pass 1 of 2',
      'covariances, pass 2 of 2',
    ]);
    expect(cut.stages.filter((name) => name.includes('squared'))).toHaveLength(2);
    const whole = await staged('pool.workers=1000');
    expect(whole.stages.filter((name) => name.includes('pass '))).toEqual([]);
    expect([...(await filesOf(cut.folder))]).toEqual([...(await filesOf(whole.folder))]);
    const left = (await readdir(join(cut.folder.path, '..'), { recursive: true })).filter((name) =>
      name.includes('eigenvectors-'),
    );
    expect(left).toEqual([]);
  });

  it('that was stopped between passes goes on where it was', async () => {
    const path = await smallWorld({ fit: { documents: 6, labels: 'empirical' } });
    const whole = await fitted(path, await anotherCache());
    for (const at of ['eigenvectors', 'squared gradients']) {
      const sets = await anotherCache();
      const stop = new AbortController();
      const hooks = quietHooks(stop.signal);
      const reason = new Error('stopped by the test');
      hooks.progress.stage = (name) => {
        if (name === at) stop.abort(reason);
      };
      await expect(fitted(path, sets, hooks)).rejects.toBe(reason);
      const before = await timesOf(sets);
      expect(before.size).toBeGreaterThan(0);
      const done = await fitted(path, sets);
      const after = await timesOf(sets);
      for (const [name, time] of before) expect(after.get(name)).toBe(time);
      expect([...(await filesOf(done.folder))]).toEqual([...(await filesOf(whole.folder))]);
    }
  });

  it('computes the files that are missing and leaves the others', async () => {
    const path = await smallWorld({ fit: { documents: 6, labels: 'empirical' } });
    const sets = await anotherCache();
    const { folder } = await fitted(path, sets);
    const files = await filesOf(folder);
    const before = await timesOf(sets);
    const gone = ['covariance', 'eigenbasis', 'squares'].map(
      (kind) => [...files.keys()].find((name) => name.startsWith(kind))!,
    );
    for (const name of gone) await rm(join(folder.path, name));
    await fitted(path, sets);
    expect([...(await filesOf(folder))]).toEqual([...files]);
    for (const [name, time] of await timesOf(sets)) {
      const rewritten = gone.some((file) => name.endsWith(file));
      expect(time === before.get(name), name).toBe(!rewritten);
    }
    // A covariance is only needed for its eigenvectors.
    await rm(join(folder.path, gone[0]));
    await fitted(path, sets);
    expect((await filesOf(folder)).has(gone[0])).toBe(false);
  });

  it('asks nothing of the queries', async () => {
    const path = await smallWorld({ queries: 'nowhere.jsonl', fit: { documents: 3 } });
    const { exitCode, stdout } = await command('fit', path, '--quiet');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/curvature of 6 layers in .*curvature-[0-9a-f]{16}/);
  });

  it('with blocks of single coordinates is the diagonal of the Fisher matrix', async () => {
    const path = await smallWorld({ fit: { documents: 40, labels: 'empirical', blocks: 1024 } });
    const scores = async (kind: string) => scoresOf((await run(path, [`preconditioner.kind=${kind}`])).out, 4, 40);
    const [blocks, diagonal] = [await scores('ekfac'), await scores('diagonal')];
    blocks.forEach((row, q) => {
      expect(difference(row, diagonal[q])).toBeLessThan(1e-5);
    });
  });
});

/** When each factor file of a cache was written. */
async function timesOf([set]: string[]): Promise<Map<string, number>> {
  const cache = set.slice('cache='.length);
  const names = (await readdir(cache, { recursive: true })).filter((name) => /curvature-.*safetensors$/.test(name));
  return new Map(
    await Promise.all(names.map(async (name) => [name, (await stat(join(cache, name))).mtimeMs] as const)),
  );
}

describe('a sample that is too small', () => {
  it('is said with the rank that the covariances have', async () => {
    const { summary } = await fitted(await lettersWorld([{ text: 'ABCDEF' }, { text: 'GHIJ' }]));
    // δ of the last token of a document is 0.
    expect(summary).toMatch(
      /fit: the sample's 10 tokens are too few for 10 of 10 covariances: model\.layers\.\S+ has rank 8 of 24, and damping alone stands for the rest; raise fit\.documents \(1000\)/,
    );
    expect((await fitted(await smallWorld())).summary).not.toContain('too few');
  });

  it.each([
    ['relative', /expected curvature plus damping above 0 in model\.layers\.\S+, found \d+ of \d+ directions/],
    ['absolute', /set preconditioner\.damping\.relative \(0\.1\), or raise fit\.documents/],
  ])('cannot be inverted without damping: %s', async (kind, message) => {
    const damping = { [kind]: 0 };
    for (const preconditioner of ['kfac', 'ekfac'])
      for (const projection of ['exact', 'queryAdaptive']) {
        const settings = { preconditioner: { kind: preconditioner, damping }, projection: { kind: projection } };
        const path = await lettersWorld([{ text: 'ABCDEF' }], settings);
        const failed = await command('run', path, '--quiet');
        expect(failed.stderr).toMatch(message);
        expect(failed.exitCode).toBe(3);
      }
  });

  it('of documents without two tokens is refused', async () => {
    const path = await lettersWorld([{ text: null }, { text: '' }, { text: 'A' }, { text: ' ' }]);
    await expect(fitted(path)).rejects.toThrow(InputError);
    await expect(fitted(path)).rejects.toThrow(
      'fit expected documents with at least two tokens, and none of the 4 it drew has them: see corpus and fit.documents',
    );
  });

  it('passes over documents without two tokens, and counts the others', async () => {
    const documents = [{ text: 'ABCDEFGH' }, { text: null }, { text: 'Z' }, { text: 'XYZ' }];
    const { folder } = await fitted(await lettersWorld(documents, { contextTokens: 4 }));
    // Four tokens of the first, which is cut, and three of the last.
    for (const sums of await sumsOf(folder, 'covariance')) expect(sums.at(-1)).toBe(7);
    for (const sums of await sumsOf(folder, 'squares')) expect(sums.at(-1)).toBe(2);
  });
});

describe('a factor file', () => {
  it('that is damaged is computed again alone, which is said, with the same bytes', async () => {
    const path = await smallWorld({ fit: { documents: 5 } });
    const sets = await anotherCache();
    const { folder } = await fitted(path, sets);
    const whole = await filesOf(folder);
    const damaged = ['eigenbasis', 'squares'].map((kind) => [...whole.keys()].find((name) => name.startsWith(kind))!);
    for (const name of damaged) await writeFile(join(folder.path, name), whole.get(name)!.subarray(0, -8));
    const before = await timesOf(sets);
    const { lines } = await fitted(path, sets);
    expect(lines.filter((line) => line.includes('made again'))).toEqual(
      damaged.map((name) => expect.stringContaining(`${join(folder.path, name)} cannot be used and is made again`)),
    );
    expect([...(await filesOf(folder))]).toEqual([...whole]);
    for (const [name, time] of await timesOf(sets)) {
      const rewritten = damaged.some((file) => name.endsWith(file));
      expect(time === before.get(name), name).toBe(!rewritten);
    }
  });

  it('that is of another seed ends a run with exit 5 and what differs', async () => {
    const path = await lettersWorld([{ text: 'ABCDEFGHIJ' }]);
    const { folder } = await fitted(path);
    const [name, bytes] = [...(await filesOf(folder))].find(([file]) => file.startsWith('eigenbasis'))!;
    await writeFile(join(folder.path, name), withSeed(bytes));
    const failed = await command('run', path, '--quiet');
    expect(failed.stderr).toMatch(/made for something else: seed \(expected 0, found 7\)/);
    expect(failed.stderr).toMatch(/headwater fit for this configuration/);
    expect(failed.stderr).not.toContain('    at ');
    expect(failed.exitCode).toBe(5);
  });

  /** The fingerprint with another digit, as long as before, and the digest that belongs to it. */
  function withSeed(bytes: Buffer): Buffer {
    const at = bytes.indexOf('\\"seed\\":0');
    expect(at).toBeGreaterThan(0);
    const changed = Buffer.from(bytes);
    changed.write('7', at + '\\"seed\\":'.length);
    changed.write(createHash('sha256').update(changed.subarray(0, -64)).digest('hex'), bytes.length - 64);
    return changed;
  }
});

describe('the folder of factors', () => {
  it('is not there after a plan, nor after a fit that fails', async () => {
    const path = await lettersWorld([{ text: 'A' }, { text: 'ABCDEFGHIJ' }], { fit: { documents: 1 } });
    const { configuration } = await readConfiguration(path, []);
    await planStage(configuration, quietHooks());
    const nothing = await lettersWorld([{ text: 'A' }]);
    await expect(fitted(nothing)).rejects.toThrow(InputError);
    for (const world of [path, nothing])
      expect((await readdir(join(world, '../.headwater'))).filter((name) => name.startsWith('curvature-'))).toEqual([]);
  });
});

describe('fit on the command line', () => {
  it('refuses a configuration that needs no curvature', async () => {
    const path = await smallWorld({ preconditioner: { kind: 'identity' }, projection: { kind: 'random' } });
    await expect(fitted(path)).rejects.toThrow(UsageError);
    const failed = await command('fit', path, '--quiet');
    expect(failed).toMatchObject({ exitCode: 2 });
    expect(failed.stderr).toContain(
      'fit: preconditioner identity with projection random needs no curvature: there is nothing to estimate',
    );
  });

  it.each(['0/3', '4/3', '1', '1/0', 'a/b', '1/3/5', '-1/3', '1.5/3', ''])('refuses --part %j', async (part) => {
    const path = await smallWorld();
    const failed = await command('fit', path, '--quiet', `--part=${part}`);
    expect(failed.exitCode).toBe(2);
    expect(failed.stderr).toContain('--part expected i/n with 1 ≤ i ≤ n, such as 2/4, got');
  });

  it('fits a part', async () => {
    const path = await smallWorld();
    const done = await command('fit', path, '--quiet', '--part', '2/3');
    expect(done.exitCode).toBe(0);
    expect(done.stdout).toContain('part 2 of 3 is done as far as it can be');
  });
});

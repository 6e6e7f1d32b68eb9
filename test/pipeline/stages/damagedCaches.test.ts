/** Runs on a cache folder in which files are damaged: the same tables, or a refusal. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { philox, streamOf } from '../../../operators/gradients/counterRandom.ts';
import { readConfiguration } from '../../../pipeline/configuration/readConfiguration.ts';
import { runStage } from '../../../pipeline/stages/stages.ts';
import { lettersModel } from '../../operators/curvature/goldenWorld.ts';
import { command, quietHooks, writeWorld } from '../smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('../pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

/** One kind of file of the cache: which it is, and what has to be missing so that a run asks for it. */
interface Kind {
  name: string;
  file: RegExp;
  unless?: RegExp;
  /** What a whole file of another world in its place makes of the run. */
  another: 'refused' | 'made again';
}

const computed = /queries-\w+\.safetensors$/;
const kinds: Kind[] = [
  { name: 'query gradients', file: computed, another: 'refused' },
  { name: 'completions', file: /completions-.*json$/, another: 'refused' },
  { name: 'curvature folder', file: /fingerprint\.json$/, another: 'refused' },
  { name: 'covariances', file: /covariance-.*safetensors$/, unless: /eigenbasis-|squares-/, another: 'refused' },
  { name: 'eigenbases', file: /eigenbasis-.*safetensors$/, another: 'refused' },
  { name: 'squares', file: /squares-.*safetensors$/, another: 'refused' },
  { name: 'model weights', file: /weights\.bin$/, another: 'refused' },
  { name: 'projection', file: /projection-.*bin$/, another: 'refused' },
  { name: 'join', file: /-join\.onnx$/, another: 'made again' },
  { name: 'gradient graph', file: /gradients-.*onnx$/, another: 'made again' },
  { name: 'token graph', file: /tokens-.*onnx$/, another: 'made again' },
  { name: 'tap graph', file: /taps-.*onnx$/, unless: computed, another: 'made again' },
  { name: 'decoding graph', file: /decoding-.*onnx$/, unless: /completions-/, another: 'made again' },
  { name: 'covariance graph', file: /covariances-.*onnx$/, unless: /eigenbasis-|covariance-/, another: 'made again' },
];

type Files = Map<string, Buffer>;

let path: string;
/** What an undisturbed run left: its cache and its tables. */
let cache: Files;
let tables: Files;
/** The cache of a run with another model, other queries and another seed. */
let others: Files;

const words = ['ABCDEFGHIJKL', 'LKJIHGFE', 'aAbBcCdDeE', 'xyzXYZ0123', 'AZBYCX'];

const root = await mkdtemp(join(tmpdir(), 'headwater-damaged-'));
afterAll(() => rm(root, { recursive: true }));
const newFolder = () => mkdtemp(join(root, 'folder-'));

async function world(model: string, seed: number, prompt: string): Promise<string> {
  const folder = await newFolder();
  const settings = {
    model: await lettersModel(model, folder),
    seed,
    contextTokens: 16,
    maxNewTokens: 2,
    modules: ['model.layers.0.mlp.*'],
    preconditioner: { kind: 'ekfac' },
    projection: { kind: 'queryAdaptive', k: 2 },
    fit: { documents: 4, labels: 'sampled' },
    explain: { documents: 1 },
    topK: 2,
  };
  const queries = [
    { id: 'q0', prompt, completion: 'CD' },
    { id: 'q1', prompt: `${prompt}xy` },
  ];
  return writeWorld(
    folder,
    settings,
    words.map((text) => ({ text })),
    queries,
  );
}

async function filesOf(folder: string): Promise<Files> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return new Map(
    await Promise.all(names.sort().map(async (name) => [name.slice(folder.length + 1), await readFile(name)] as const)),
  );
}

const isTable = (name: string) => /\.(parquet|jsonl)$/.test(name);

/** The folder of a cache of its own, so that no session of an earlier run in this process is met again. */
async function folderOf(files: Files): Promise<string> {
  const folder = await newFolder();
  for (const [name, bytes] of files) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return folder;
}

async function runOn(folder: string) {
  const out = await newFolder();
  const { configuration } = await readConfiguration(path, [`cache=${folder}`, `out=${out}`]);
  const hooks = quietHooks();
  await runStage(configuration, hooks);
  const written = new Map([...(await filesOf(out))].filter(([name]) => isTable(name)));
  return { written, lines: hooks.lines.filter((line) => line.includes('is made again')) };
}

function expectSame(found: Files, expected: Files): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, bytes] of expected) expect(found.get(name)!.equals(bytes), name).toBe(true);
}

beforeAll(async () => {
  path = await world('mha-untied', 0, 'AB');
  const folder = await newFolder();
  ({ written: tables } = await runOn(folder));
  cache = await filesOf(folder);
  const other = await world('gqa-tied', 1, 'ab');
  const { configuration } = await readConfiguration(other, []);
  await runStage(configuration, quietHooks());
  others = await filesOf(join(other, '../.headwater'));
});

/** A copy of the cache with the first file of the kind as `change` makes it, and without what stands in its way. */
function changed({ file, unless }: Kind, change: (bytes: Buffer) => Buffer): { name: string; files: Files } {
  const name = [...cache.keys()].find((candidate) => file.test(candidate))!;
  const kept = [...cache].filter(([other]) => other === name || !unless?.test(other));
  return { name, files: new Map(kept).set(name, change(cache.get(name)!)) };
}

/** A number in [0, below), the same in each run of the tests. */
function drawn(below: number, kind: number, draw: number): number {
  const numbers = new Uint32Array(4);
  philox(kind, draw, 0, 0, 0, streamOf('damaged caches'), numbers);
  return numbers[0]! % below;
}

const damages: Record<string, (bytes: Buffer, k: number) => Buffer> = {
  'one bit flipped': (bytes, k) => flipped(bytes, drawn(8 * bytes.length, k, 0)),
  'another bit flipped': (bytes, k) => flipped(bytes, drawn(8 * bytes.length, k, 1)),
  'its last bit flipped': (bytes) => flipped(bytes, 8 * bytes.length - 1),
  'its end cut off': (bytes, k) => bytes.subarray(0, drawn(bytes.length, k, 2)),
  'nothing in it': () => Buffer.alloc(0),
};

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

describe('a run on its own cache', () => {
  it('has every kind of file there is, and computes nothing again', async () => {
    const { written, lines } = await runOn(await folderOf(cache));
    expectSame(written, tables);
    expect(lines).toEqual([]);
    for (const { name, file } of kinds)
      expect(
        [...cache.keys()].filter((key) => file.test(key)),
        name,
      ).not.toEqual([]);
    const known = [...kinds.map(({ file }) => file), /words-.*json$/, /squares-.*onnx$/];
    expect([...cache.keys()].filter((key) => !known.some((file) => file.test(key)))).toEqual([]);
  });
});

describe.each(kinds.map((kind, k) => ({ ...kind, k })))('the file of the $name', (kind) => {
  it.each(Object.entries(damages))(
    'with %s is made again, which is said, and the tables are the same',
    async (_, damage) => {
      const { name, files } = changed(kind, (bytes) => damage(bytes, kind.k));
      const folder = await folderOf(files);
      const { written, lines } = await runOn(folder);
      expectSame(written, tables);
      expect(lines).toEqual([expect.stringContaining(`${join(folder, name)} cannot be used and is made again: `)]);
      const after = await filesOf(folder);
      expectSame(new Map([...after].filter(([other]) => cache.has(other))), cache);
    },
  );

  it(`of another world in its place is ${kind.another}`, async () => {
    const foreign = [...others].find(([other]) => kind.file.test(other))![1];
    const { name, files } = changed(kind, () => foreign);
    const folder = await folderOf(files);
    if (kind.another === 'made again') {
      const { written, lines } = await runOn(folder);
      expectSame(written, tables);
      expect(lines).toEqual([expect.stringContaining(join(folder, name))]);
      return;
    }
    const { exitCode, stderr } = await command('run', path, '--quiet', '--set', `cache=${folder}`);
    expect(stderr).toMatch(/made for something else: \w+ \(expected .*\. Delete /);
    expect(stderr).toContain(folder);
    expect(exitCode).toBe(5);
  });
});

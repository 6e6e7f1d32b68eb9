import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  FACTOR_VERSION,
  type FactorFingerprint,
  type FactorFolder,
  hasFactor,
  openFactorFolder,
  partCounts,
  partFolder,
  readEigenbasis,
  readEigenvalues,
  readSums,
  writeEigenbasis,
  writeSums,
} from '../../../operators/curvature/factorFolder.ts';
import { tellNotices } from '../../../operators/files/damagedFile.ts';
import { writeSealedJson } from '../../../operators/files/sealedJson.ts';
import { IntegrityError } from '../../../schemas/errors.ts';
import { canonicalJson } from '../../../schemas/fingerprint.ts';

const cache = await mkdtemp(join(tmpdir(), 'headwater-factors-'));
afterAll(() => rm(cache, { recursive: true }));

const wanted: FactorFingerprint = {
  version: FACTOR_VERSION,
  model: 'aa',
  tokenizer: 'bb',
  modules: ['one', 'two'],
  contextTokens: 8,
  corpus: { files: [] },
  documents: 3,
  labels: 'sampled',
  blocks: 1,
  seed: 0,
};
const layer = 'model.layers.0.mlp.up_proj';
const values = Float64Array.of(0.1, 2 ** -40, -3, 4, 5, 6);

let folders = 0;
const opened = () => openFactorFolder(cache, { ...wanted, seed: folders++ });

async function written(): Promise<{ folder: FactorFolder; file: string }> {
  const folder = await opened();
  await writeSums(folder, 'squares', layer, { values, count: 7 });
  const [name] = (await readdir(folder.path)).filter((file) => file.startsWith('squares-'));
  return { folder, file: join(folder.path, name) };
}

async function refusal(reading: Promise<unknown>): Promise<string> {
  const error = await reading.then(
    () => expect.fail('expected a refusal'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(IntegrityError);
  expect((error as IntegrityError).exitCode).toBe(5);
  return (error as IntegrityError).message;
}

describe('the folder of factors', () => {
  it('gives sums and eigenbases back as they were written, to the last bit', async () => {
    const { folder } = await written();
    expect(await readSums(folder, 'squares', layer, 6)).toEqual({ values, count: 7 });
    const basis = { values: Float64Array.of(2, 1 / 3), vectors: Float32Array.of(1, 0, 0, 1) };
    await writeEigenbasis(folder, `${layer}.inputs`, basis, 9);
    expect(await readEigenbasis(folder, `${layer}.inputs`, 2, 4)).toEqual(basis);
    expect(await readEigenvalues(folder, `${layer}.inputs`, 2)).toEqual({ values: basis.values, count: 9 });
  });

  it('knows what it has', async () => {
    const { folder } = await written();
    expect(await hasFactor(folder, 'squares', layer)).toBe(true);
    expect(await hasFactor(folder, 'fisher', layer)).toBe(false);
    expect(await hasFactor(folder, 'squares', `${layer}.inputs`)).toBe(false);
  });

  it('keeps names apart that a file name cannot tell apart, and stays inside', async () => {
    const folder = await opened();
    const names = ['../../outside', '..//..//outside', 'a/b', 'a:b', `${'x'.repeat(200)}1`, `${'x'.repeat(200)}2`];
    for (const [i, name] of names.entries())
      await writeSums(folder, 'squares', name, { values: Float64Array.of(i), count: 1 });
    for (const [i, name] of names.entries()) expect((await readSums(folder, 'squares', name, 1)).values[0]).toBe(i);
    expect((await readdir(folder.path)).filter((file) => file.startsWith('squares-'))).toHaveLength(names.length);
  });

  it('has another path for every key of its fingerprint', async () => {
    const paths = await Promise.all([
      openFactorFolder(cache, wanted),
      ...Object.keys(wanted).map((key) => openFactorFolder(cache, { ...wanted, [key]: 'other' })),
    ]);
    expect(new Set(paths.map(({ path }) => path)).size).toBe(Object.keys(wanted).length + 1);
  });

  it('is there once a factor is, and says what it is of', async () => {
    const folder = await opened();
    expect(await readdir(cache)).not.toContain(basename(folder.path));
    await writeSums(folder, 'squares', layer, { values, count: 7 });
    const { fingerprint } = JSON.parse(await readFile(join(folder.path, 'fingerprint.json'), 'utf8'));
    expect(fingerprint).toEqual(folder.fingerprint);
  });

  it('lacks a factor that is damaged, and says so', async () => {
    const { folder, file } = await written();
    const whole = await readFile(file);
    for (let bit = 0; bit < 8 * whole.length; bit += 131) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(file, flipped);
      const lines: string[] = [];
      expect(await hasFactor(folder, 'squares', layer, (line) => lines.push(line)), `bit ${bit}`).toBe(false);
      expect(lines).toEqual([expect.stringContaining(`${file} cannot be used and is made again: `)]);
    }
    await writeFile(file, whole);
    expect(await hasFactor(folder, 'squares', layer)).toBe(true);
  });

  it('names the sets of parts that it has', async () => {
    const folder = await opened();
    expect(await partCounts(folder)).toEqual([]);
    for (const [index, count] of [
      [2, 3],
      [1, 10],
      [3, 3],
    ])
      await writeSums(partFolder(folder, { index, count }), 'squares', layer, { values, count: 1 });
    expect(await partCounts(folder)).toEqual([3, 10]);
  });
});

describe('a file of factors', () => {
  it('is refused where it was cut short', async () => {
    const { folder, file } = await written();
    const bytes = await readFile(file);
    for (const length of [0, 5, 40, bytes.length - 1]) {
      await writeFile(file, bytes.subarray(0, length));
      expect(await refusal(readSums(folder, 'squares', layer, 6))).toMatch(
        /expected a whole file of factors, found .*: delete it and run headwater fit again/,
      );
    }
  });

  it.each([
    ['model', 'cc', 'model (expected "cc", found "aa")'],
    ['version', FACTOR_VERSION + 1, `version (expected ${FACTOR_VERSION + 1}, found ${FACTOR_VERSION})`],
    ['modules', ['one'], 'modules (expected ["one"], found ["one","two"])'],
    ['labels', 'empirical', 'labels (expected "empirical", found "sampled")'],
  ])('is refused where it was made with another %s, which is named', async (key, value, named) => {
    const { folder } = await written();
    const other = { ...folder, fingerprint: { ...folder.fingerprint, [key]: value } };
    expect(await refusal(readSums(other, 'squares', layer, 6))).toContain(
      `were made for something else: ${named}. Delete them, or run headwater fit`,
    );
  });

  it('is refused in the place of another layer', async () => {
    const { folder, file } = await written();
    await writeSums(folder, 'squares', 'another', { values, count: 7 });
    const [other] = (await readdir(folder.path)).filter((name) => name.includes('another'));
    await rename(file, join(folder.path, other));
    expect(await refusal(readSums(folder, 'squares', 'another', 6))).toContain(
      `expected the squares of another, found squares ${layer}: delete it`,
    );
  });

  it('is refused where it holds another number of sums', async () => {
    const { folder } = await written();
    expect(await refusal(readSums(folder, 'squares', layer, 8))).toContain('expected sums of shape [8], found [6]');
  });

  it('is refused in a folder that says it is another fit’s, and not where it says nothing that can be read', async () => {
    const { folder } = await written();
    const file = join(folder.path, 'fingerprint.json');
    const { seed } = folder.fingerprint;
    await writeSealedJson(file, [['fingerprint', canonicalJson({ ...folder.fingerprint, seed: undefined })]]);
    expect(await refusal(openFactorFolder(cache, folder.fingerprint))).toContain(
      `seed (expected ${seed}, found nothing)`,
    );
    await writeFile(file, '{"fingerprint":');
    const lines: string[] = [];
    tellNotices((line) => lines.push(line));
    expect((await openFactorFolder(cache, folder.fingerprint)).path).toBe(folder.path);
    expect(lines).toEqual([expect.stringContaining(`${file} cannot be used and is made again: it has 15 bytes`)]);
  });
});

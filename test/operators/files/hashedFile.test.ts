/** Files that say whether they are what was written. */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DamagedFile } from '../../../operators/files/damagedFile.ts';
import { readHashed, writeHashed } from '../../../operators/files/hashedFile.ts';
import { ResourceError } from '../../../schemas/errors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-hashed-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const PIECES = [Buffer.from('fold states'), Buffer.alloc(0), Buffer.from(Float64Array.of(0.1, -2).buffer)];

test('gives back the pieces in their order, also when there are none', async () => {
  const path = join(folder, 'whole');
  await writeHashed(path, PIECES);
  expect(await readHashed(path)).toEqual(Buffer.concat(PIECES));
  await writeHashed(path, []);
  expect(await readHashed(path)).toHaveLength(0);
  expect(await readdir(folder)).toEqual(['whole']);
});

test('finds every single flipped bit', async () => {
  const path = join(folder, 'flipped');
  await writeHashed(path, PIECES);
  const whole = await readFile(path);
  for (let bit = 0; bit < whole.byteLength * 8; bit++) {
    const flipped = Buffer.from(whole);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(path, flipped);
    await expect(readHashed(path), `bit ${bit}`).rejects.toBeInstanceOf(DamagedFile);
  }
});

test('finds a file cut at every length', async () => {
  const path = join(folder, 'cut');
  await writeHashed(path, PIECES);
  for (let length = (await readFile(path)).byteLength - 1; length >= 0; length--) {
    await truncate(path, length);
    await expect(readHashed(path), `${length} bytes`).rejects.toBeInstanceOf(DamagedFile);
  }
});

test('names the reason: missing, too short, another magic number, another version, another content', async () => {
  const path = join(folder, 'reasons');
  await expect(readHashed(path)).rejects.toThrow(`${path}: it is missing`);
  await writeFile(path, 'HWCK');
  await expect(readHashed(path)).rejects.toThrow('it is too short: 4 bytes, at least 40 expected');
  await writeFile(path, Buffer.alloc(40));
  await expect(readHashed(path)).rejects.toThrow('it begins with 0x00000000, not with HWCK');
  await writeHashed(path, PIECES);
  const whole = await readFile(path);
  await writeFile(path, whole.with(4, 9));
  await expect(readHashed(path)).rejects.toThrow('it is of version 9, 1 expected');
  await writeFile(path, Buffer.concat([whole, Buffer.from([0])]));
  await expect(readHashed(path)).rejects.toThrow('does not have the SHA-256 it was written with');
});

test('leaves the older file whole, and says so by name, where the new one cannot be written', async () => {
  const path = join(folder, 'missing folder', 'checkpoint');
  await expect(writeHashed(path, PIECES)).rejects.toThrow(ResourceError);
  await expect(writeHashed(path, PIECES)).rejects.toThrow(`cannot write ${path}`);
});

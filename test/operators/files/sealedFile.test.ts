/** Files of the cache that end in the digest of their content. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DamagedFile } from '../../../operators/files/damagedFile.ts';
import { SEAL_BYTES, sealOf, writeSealed } from '../../../operators/files/sealedFile.ts';
import { readSealedJson, writeSealedJson } from '../../../operators/files/sealedJson.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-sealed-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Damage of every bit and every length that `open` must find. */
async function expectEveryDamageFound(path: string, open: () => Promise<unknown>): Promise<void> {
  const whole = await readFile(path);
  for (let bit = 0; bit < whole.byteLength * 8; bit++) {
    const flipped = Buffer.from(whole);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await writeFile(path, flipped);
    await expect(open(), `bit ${bit}`).rejects.toBeInstanceOf(DamagedFile);
  }
  for (let length = whole.byteLength - 1; length >= 0; length--) {
    await truncate(path, length);
    await expect(open(), `${length} bytes`).rejects.toBeInstanceOf(DamagedFile);
  }
  await writeFile(path, whole);
  await open();
}

describe('a sealed file', () => {
  it('ends in the SHA-256 of its pieces, and its tail', async () => {
    const path = join(folder, 'pieces');
    await writeSealed(path, [Float64Array.of(1, 2).subarray(1), Buffer.from('abc')], '!');
    const content = Buffer.concat([Buffer.from(Float64Array.of(2).buffer), Buffer.from('abc')]);
    const digest = createHash('sha256').update(content).digest('hex');
    expect(await readFile(path)).toEqual(Buffer.concat([content, Buffer.from(`${digest}!`)]));
    expect(await sealOf(path, '!')).toBe(digest);
    await expect(sealOf(path, '?')).resolves.toBe(digest); // looked at once in a process
  });

  it('is found damaged by any flipped bit and any cut', async () => {
    const path = join(folder, 'damaged');
    await writeSealed(path, [Buffer.from('weights')]);
    await expectEveryDamageFound(path, () => sealOf(path));
  });

  it.each([0, 1, 4 * 2 ** 20 - SEAL_BYTES, 4 * 2 ** 20, 8 * 2 ** 20, 9 * 2 ** 20 + 17])(
    'is read whole whatever its length, as with %i bytes',
    async (length) => {
      const path = join(folder, 'long');
      const content = Buffer.alloc(length, 'abcdefg');
      await writeSealed(path, [content]);
      expect(await sealOf(path)).toBe(createHash('sha256').update(content).digest('hex'));
      if (length === 0) return;
      const bytes = await readFile(path);
      bytes[length - 1]! ^= 1;
      await writeFile(path, bytes);
      await expect(sealOf(path)).rejects.toThrow('does not end in the SHA-256 of its content');
    },
  );

  it('is looked at again where it has changed, though it says its old time', async () => {
    const path = join(folder, 'changed');
    await writeSealed(path, [Buffer.from('weights')]);
    await utimes(path, 1, 1);
    await sealOf(path);
    const bytes = await readFile(path);
    await writeFile(path, bytes.with(0, 0));
    await utimes(path, 1, 1);
    await expect(sealOf(path)).rejects.toBeInstanceOf(DamagedFile);
  });

  it('is damaged where it is a folder, and missing where it is not there', async () => {
    await expect(sealOf(folder)).rejects.toThrow(DamagedFile);
    await expect(sealOf(join(folder, 'nowhere'))).rejects.toMatchObject({ reason: 'it is missing', missing: true });
  });
});

describe('a sealed JSON file', () => {
  it('is JSON, whose fields come back', async () => {
    const path = join(folder, 'fields.json');
    await writeSealedJson(path, [
      ['fingerprint', '{"__proto__": 1}'],
      ['日本', '[1,\n2]'],
    ]);
    const { 日本: numbers, sha256 } = JSON.parse(await readFile(path, 'utf8'));
    expect([numbers, sha256]).toEqual([[1, 2], expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(await readSealedJson(path)).toMatchObject({ 日本: [1, 2] });
  });

  it('is found damaged by any flipped bit and any cut', async () => {
    const path = join(folder, 'damaged.json');
    await writeSealedJson(path, [['a', '1']]);
    await expectEveryDamageFound(path, () => readSealedJson(path));
  });

  it('leaves nothing else behind', async () => {
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});

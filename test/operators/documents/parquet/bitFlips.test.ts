import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FIXTURES, tempFolder } from '../corpora.ts';
import { type Flip, flipBit, readRows } from './flipBits.ts';

const folder = path.join(FIXTURES, 'checksummed');
const files = readdirSync(folder).sort();
const everyBit = process.env.HEADWATER_EVERY_BIT === '1'; // some 340,000 flips: ten minutes
const FLIPS_A_FILE = 360;

/** Numbers in [0, 1), the same every time: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A third of them in the footer, which no checksum covers. */
function someBits(bytes: Buffer, random: () => number): number[] {
  const footer = 8 * (bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8));
  const all = 8 * bytes.length;
  return Array.from({ length: FLIPS_A_FILE }, (_, i) => {
    const from = i % 3 === 0 ? footer : 0;
    return from + Math.floor(random() * (all - from));
  });
}

describe('one bit of a file with checksums', () => {
  it('is flipped in files of every codec, version of page and encoding', () => {
    expect(files.length * FLIPS_A_FILE).toBeGreaterThanOrEqual(5000);
    for (const part of ['v1', 'v2', 'none', 'snappy', 'zstd', 'gzip', 'lz4', 'plain', 'dictionary', 'delta'])
      expect(files.some((name) => name.includes(part))).toBe(true);
  });

  it.each(files)(
    'of %s leaves its documents as they are, or is found',
    async (name) => {
      const bytes = readFileSync(path.join(folder, name));
      const place = tempFolder({ 'a.parquet': bytes });
      const good = await readRows(place);
      expect(good.size).toBe(40);
      const random = randomFrom(files.indexOf(name));
      const bits = everyBit ? Array.from({ length: bytes.length * 8 }, (_, bit) => bit) : someBits(bytes, random);
      const wrong: Flip[] = [];
      let slowest = 0;
      for (const bit of bits) {
        const flip = await flipBit(place, bytes, bit, good);
        slowest = Math.max(slowest, flip.seconds);
        if (flip.outcome === 'other documents' || flip.outcome === 'raw error') wrong.push(flip);
      }
      expect(wrong).toEqual([]);
      expect(slowest).toBeLessThan(1);
    },
    everyBit ? 3_600_000 : 60_000,
  );

  it('is found where it says that a column with nulls has none', async () => {
    const bytes = readFileSync(path.join(folder, 'v1-lz4-plain.parquet')); // without statistics
    const place = tempFolder({ 'a.parquet': bytes });
    const good = await readRows(place);
    const optional = bytes.lastIndexOf(Buffer.from('150c2502180474657874', 'hex')) + 3; // BYTE_ARRAY, OPTIONAL, "text"
    expect(bytes[optional]).toBe(2);
    expect(await flipBit(place, bytes, 8 * optional + 1, good)).toMatchObject({ outcome: 'lost' });
    bytes[optional] = 0;
    writeFileSync(path.join(place, 'a.parquet'), bytes);
    expect((await readRows(place)).size).toBeLessThan(40);
  });
});

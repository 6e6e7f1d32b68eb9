import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decompressPage, mostPageBytes } from '../../../../operators/documents/parquet/decompressPage.ts';

/** A frame with the given header whose blocks repeat a zero 2^17 times each, 2^24 times in all. */
function zstdFrame(header: string): Buffer {
  return Buffer.from(`28b52ffd${header}${'02001000'.repeat(127)}03001000`, 'hex');
}

describe('decompressPage', () => {
  const page = Buffer.from('the same words, the same words, the same words');

  it('reads gzip in one member or several, zlib and brotli', () => {
    const members = Buffer.concat([gzipSync(page.subarray(0, 20)), gzipSync(page.subarray(20))]);
    for (const [codec, compressed] of [
      ['GZIP', gzipSync(page)],
      ['GZIP', members],
      ['GZIP', deflateSync(page)],
      ['BROTLI', brotliCompressSync(page)],
      ['UNCOMPRESSED', page],
    ] as const)
      expect(Buffer.from(decompressPage(compressed, page.length, codec)).toString()).toBe(page.toString());
  });

  it.each([
    ['GZIP', gzipSync(new Uint8Array(1 << 24))],
    ['BROTLI', brotliCompressSync(new Uint8Array(1 << 24))],
    ['ZSTD', zstdFrame('0058')], // of unknown size, window 2 MiB
    ['ZSTD', zstdFrame('a0ffffff7f')], // said to be 2 GiB
  ] as const)('does not let %s take more memory than the page header promises', (codec, bomb) => {
    const before = process.memoryUsage().arrayBuffers;
    let page: Uint8Array | null = null;
    try {
      page = decompressPage(bomb, 1000, codec);
    } catch (error) {
      expect((error as Error).message).not.toBe('');
    }
    expect(page?.length ?? 0).toBeLessThanOrEqual(1000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 22);
  });

  it('says what came and what was promised where the lengths differ', () => {
    expect(() => decompressPage(gzipSync(page), page.length + 1, 'GZIP')).toThrow(
      `GZIP gave ${page.length} bytes, the page header promises ${page.length + 1}`,
    );
    expect(() => decompressPage(page, 5, 'UNCOMPRESSED')).toThrow(
      'UNCOMPRESSED gave 46 bytes, the page header promises 5',
    );
    expect(() => decompressPage(page, 5, 'LZO')).toThrow('compressed with LZO, which is not supported');
  });

  it('needs no input for a page of no bytes', () => {
    expect(decompressPage(new Uint8Array(0), 0, 'ZSTD')).toEqual(new Uint8Array(0));
  });
});

describe('mostPageBytes', () => {
  it('allows any page 128 MiB, a large one 64 times its compressed size, and none more than 1 GiB', () => {
    expect(mostPageBytes(10)).toBe(2 ** 27);
    expect(mostPageBytes(2 ** 22)).toBe(2 ** 28);
    expect(mostPageBytes(2 ** 30)).toBe(2 ** 30);
  });
});

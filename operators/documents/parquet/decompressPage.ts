/** Decompresses the body of a page into exactly the bytes its header promises. */
import { brotliDecompressSync, unzipSync } from 'node:zlib';
import type { CompressionCodec } from 'hyparquet';
import { compressors, decompressZstd } from 'hyparquet-compressors';

// fzstd compares its output with 1, for which JavaScript writes a plain Uint8Array out as text: 3 times as slow
class ZstdOutput extends Uint8Array {
  override toString(): string {
    return '';
  }
}

type Decompress = (compressed: Uint8Array, bytes: number) => Uint8Array;

/** Every codec that is read. None may take more memory than `bytes`, whatever its input says. */
export const codecs: Partial<Record<CompressionCodec, Decompress>> = {
  UNCOMPRESSED: (compressed) => compressed,
  SNAPPY: compressors.SNAPPY,
  // zlib's own are several times as fast as the JavaScript ones
  GZIP: (compressed, bytes) => unzipSync(compressed, { maxOutputLength: bytes }),
  BROTLI: (compressed, bytes) => brotliDecompressSync(compressed, { maxOutputLength: bytes }),
  // given no output, fzstd allocates what the frame claims
  ZSTD: (compressed, bytes) => decompressZstd(compressed, new ZstdOutput(bytes)),
  LZ4: compressors.LZ4,
  LZ4_RAW: compressors.LZ4_RAW,
};

// DuckDB's pages reach 100 MB; beyond this a page must be plausible for the bytes it was compressed to
const MOST_BYTES_OF_ANY_PAGE = 128 * 1024 * 1024;
const MOST_EXPANSION = 64;
const MOST_BYTES = 1024 * 1024 * 1024;

/** The most memory that a page of `compressed` bytes may ask for. */
export function mostPageBytes(compressed: number): number {
  return Math.min(MOST_BYTES, Math.max(MOST_BYTES_OF_ANY_PAGE, compressed * MOST_EXPANSION));
}

/** Throws a plain Error where the body is damaged or does not give `bytes` bytes. */
export function decompressPage(compressed: Uint8Array, bytes: number, codec: CompressionCodec): Uint8Array {
  if (bytes === 0) return new Uint8Array(0);
  const decompress = codecs[codec];
  if (!decompress) throw new Error(`compressed with ${codec}, which is not supported`);
  const page = attempt(() => decompress(compressed, bytes), codec);
  if (page.length !== bytes) throw new Error(`${codec} gave ${page.length} bytes, the page header promises ${bytes}`);
  return page;
}

function attempt<T>(decompress: () => T, codec: CompressionCodec): T {
  try {
    return decompress();
  } catch (cause) {
    throw new Error(`its bytes are not what ${codec} makes (${(cause as Error).message})`, { cause });
  }
}

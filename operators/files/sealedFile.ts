/** Files of the cache carry the SHA-256 of all that stands before it at their end: what is read again is what was written. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { DamagedFile, unreadable } from './damagedFile.ts';
import { type Pieces, writeShared } from './wholeFile.ts';

/** The digest in hexadecimal, ASCII. */
export const SEAL_BYTES = 64;

const BLOCK_BYTES = 4 * 2 ** 20;

/** Writes the pieces, their digest and `tail`, with which a format may want to end. Throws ResourceError. */
export function writeSealed(path: string, pieces: Pieces, tail = ''): Promise<void> {
  return writeShared(path, sealed(pieces, tail));
}

async function* sealed(pieces: Pieces, tail: string): AsyncGenerator<ArrayBufferView> {
  const hash = createHash('sha256');
  for await (const piece of pieces) {
    hash.update(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
    yield piece;
  }
  yield Buffer.from(hash.digest('hex') + tail);
}

/** What was found right in this process, and the state of the file then. */
const found = new Map<string, { state: string; digest: string }>();

/**
 * The digest of the file at `path`, checked against its content unless this process has done so and the file has not changed since.
 * Throws DamagedFile where it is missing or its content is another, ResourceError where it may not be read.
 */
export async function sealOf(path: string, tail = ''): Promise<string> {
  const handle = await open(path, 'r').catch((cause) => unreadable(path, cause));
  try {
    const { dev, ino, size, ctimeNs } = await handle.stat({ bigint: true });
    const state = [dev, ino, size, ctimeNs].join();
    const known = found.get(path);
    if (known?.state === state) return known.digest;
    const digest = await checkSeal(handle, path, Number(size), tail);
    found.set(path, { state, digest });
    return digest;
  } finally {
    await handle.close();
  }
}

async function checkSeal(handle: FileHandle, path: string, size: number, tail: string): Promise<string> {
  const end = Buffer.alloc(SEAL_BYTES + tail.length);
  const content = size - end.length;
  if (content < 0) throw new DamagedFile(path, `it has ${size} bytes, and its SHA-256 alone takes ${end.length}`);
  const hash = createHash('sha256');
  for await (const block of blocksOf(handle, path, content)) hash.update(block);
  await fill(handle, path, end, content);
  const digest = hash.digest('hex');
  if (end.toString('latin1') === digest + tail) return digest;
  throw new DamagedFile(
    path,
    'it does not end in the SHA-256 of its content, so it is damaged, cut short or of an earlier version',
  );
}

/** The first `length` bytes of the file; the next block is read while one is looked at. */
async function* blocksOf(handle: FileHandle, path: string, length: number): AsyncGenerator<Buffer> {
  const buffers = [
    Buffer.allocUnsafe(Math.min(length, BLOCK_BYTES)),
    Buffer.allocUnsafe(Math.min(length, BLOCK_BYTES)),
  ];
  const read = (at: number) =>
    fill(handle, path, buffers[(at / BLOCK_BYTES) % 2].subarray(0, Math.min(BLOCK_BYTES, length - at)), at);
  let next = read(0);
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    const block = await next;
    if (at + BLOCK_BYTES < length) next = read(at + BLOCK_BYTES);
    yield block;
  }
  await next;
}

async function fill(handle: FileHandle, path: string, bytes: Buffer, position: number): Promise<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle
      .read(bytes, at, bytes.length - at, position + at)
      .catch((cause) => unreadable(path, cause));
    if (bytesRead === 0) throw new DamagedFile(path, 'it was cut short while it was read');
    at += bytesRead;
  }
  return bytes;
}

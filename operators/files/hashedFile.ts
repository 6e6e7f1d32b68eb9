/** A binary file that says whether it is what was written: a magic number, a version, the SHA-256 of the rest, and the rest. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DamagedFile, unreadable } from './damagedFile.ts';
import { openWholeFile } from './wholeFile.ts';

const MAGIC = Buffer.from('HWCK');
const VERSION = 1;
const DIGEST_AT = 8; // behind the magic number and the version, four bytes each
const PAYLOAD_AT = 40; // a multiple of 8, so that a payload of float64 can be looked at where it lies

/** Replaces `path` by the pieces, one after the other; only one process may write it at a time. Throws ResourceError. */
export async function writeHashed(path: string, pieces: Uint8Array[]): Promise<void> {
  const file = await openWholeFile(path);
  try {
    for (const piece of [headerOf(pieces), ...pieces]) await file.write(piece);
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/**
 * The pieces as one payload. Throws DamagedFile, which names the reason, where the file is missing or not what was written, and
 * ResourceError where the rights or open files do not suffice.
 */
export async function readHashed(path: string): Promise<Buffer> {
  const file = await readFile(path).catch((cause) => unreadable(path, cause));
  if (file.byteLength < PAYLOAD_AT)
    throw new DamagedFile(path, `it is too short: ${file.byteLength} bytes, at least ${PAYLOAD_AT} expected`);
  if (!file.subarray(0, MAGIC.length).equals(MAGIC))
    throw new DamagedFile(path, `it begins with 0x${file.toString('hex', 0, MAGIC.length)}, not with HWCK`);
  const version = file.readUInt32LE(MAGIC.length);
  if (version !== VERSION) throw new DamagedFile(path, `it is of version ${version}, ${VERSION} expected`);
  const payload = file.subarray(PAYLOAD_AT);
  if (!file.subarray(DIGEST_AT, PAYLOAD_AT).equals(digestOf([payload])))
    throw new DamagedFile(path, 'its content does not have the SHA-256 it was written with');
  return payload;
}

function headerOf(pieces: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(PAYLOAD_AT);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, MAGIC.length);
  digestOf(pieces).copy(header, DIGEST_AT);
  return header;
}

function digestOf(pieces: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

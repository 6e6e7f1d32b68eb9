/** Downloads one file of the hub under the name of its content: goes on where an earlier try stopped, and checks every byte. */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../../schemas/errors.ts';
import { sizeOf } from './hubCache.ts';
import type { HubSettings } from './hubSettings.ts';
import { askHub, fileUrl, type HubFile, networkReason, type Repository } from './readRepository.ts';

/** What is downloaded, and from where. */
export interface Download {
  hub: HubSettings;
  repository: Repository;
  file: HubFile;
  signal: AbortSignal;
}

/**
 * Makes the file `blob` hold the content. Two processes may download the same file: each writes the same bytes at the same places.
 * Throws InputError where the connection is lost and where the content is not what the hub announced.
 */
export async function downloadBlob(download: Download, blob: string): Promise<void> {
  const { size } = download.file;
  const part = `${blob}.headwater`;
  try {
    await (await open(part, 'a')).close();
    for (let have = (await stat(part)).size; have < size; ) have = await readOn(download, part, have);
    await expectContent(download, part);
    await rename(part, blob);
  } catch (error) {
    // Another process was first to rename it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && (await sizeOf(blob)) === size) return;
    throw error;
  }
}

/** One request for the bytes from `have` on; gives how many there are then. A lost connection is no error while bytes come. */
async function readOn(download: Download, part: string, have: number): Promise<number> {
  const { hub, repository, file, signal } = download;
  const response = await askHub(hub, repository, fileUrl(hub, repository, file.name), signal, have);
  const start = response.status === 206 ? have : 0; // a server may ignore the range
  let lost = 'the answer ended early';
  try {
    const write = createWriteStream(part, { flags: 'r+', start });
    await pipeline(Readable.from(response.body ?? []), (pieces) => atMost(file.size - start, pieces), write);
  } catch (error) {
    if (signal.aborted || (error as NodeJS.ErrnoException).syscall === 'write') throw error;
    lost = networkReason(error);
  }
  const { size } = await stat(part);
  if (size > have) return size;
  throw new InputError(
    `model: ${file.name} of ${repository.id}: the connection to ${hub.endpoint} was lost (${lost}) with ${size} of ${file.size} ` +
      'bytes downloaded: run again to go on from there',
  );
}

/** A server that never stops must not fill the disk. */
async function* atMost(limit: number, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let passed = 0;
  for await (const piece of pieces) {
    passed += piece.length;
    if (passed > limit) throw new Error('it sent more than it announced');
    yield piece;
  }
}

async function expectContent({ repository, file }: Download, part: string): Promise<void> {
  const { name, size, etag } = file;
  const hash = etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  for await (const piece of createReadStream(part, { highWaterMark: 2 ** 20 })) hash.update(piece as Buffer);
  const found = hash.digest('hex');
  if (found === etag) return;
  await rm(part, { force: true });
  throw new InputError(
    `model: ${name} of ${repository.id} expected content with hash ${etag}, got ${found}: something on the way changed it; run again`,
  );
}

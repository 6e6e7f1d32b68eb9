/** A file that stands under its name only once it is whole: written under another name, flushed to the disk, then renamed. */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ResourceError } from '../../schemas/errors.ts';
import { partialOf } from './leftovers.ts';

export interface WholeFile {
  /** Appends; calls are written in the order they are made, awaited or not. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** Flushes and renames; after it the file is there, in place of an older one. */
  commit(): Promise<void>;
  /** Removes what was written; does nothing after `commit`. */
  abandon(): Promise<void>;
}

/**
 * `partial` is where it is written until it is whole; processes that may write the same file at once need one each.
 * Throws ResourceError, from here and from every method, when the disk or the rights do not suffice.
 */
export async function openWholeFile(path: string, partial = `${path}.partial`): Promise<WholeFile> {
  const handle = await namedWrite(path, () => open(partial, 'w'));
  let last: Promise<void> = Promise.resolve();
  let pending = true;
  return {
    write(bytes) {
      last = last.then(() => namedWrite(path, () => handle.appendFile(bytes)));
      last.catch(() => {}); // met again by commit, when nobody awaits this write
      return last;
    },
    async commit() {
      await last;
      pending = false;
      await namedWrite(path, () => publish(handle, partial, path));
    },
    async abandon() {
      if (!pending) return;
      pending = false;
      await last.catch(() => {});
      await handle.close().catch(() => {});
      await rm(partial, { force: true }).catch(() => {}); // the reason why it is abandoned is what counts
    },
  };
}

/** A file that processes may share, such as a cache: `write` appends to it, and it is there once all that `write` yields is. */
export async function writeShared(path: string, pieces: Pieces): Promise<void> {
  const file = await openWholeFile(path, partialOf(path));
  try {
    for await (const piece of pieces)
      await file.write(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
    await file.commit();
  } finally {
    await file.abandon();
  }
}

export type Pieces = Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>;

/** Writes each line with a line feed behind it. */
export function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  return writeText(path, lines, '\n');
}

/** Writes the pieces one after the other, each with `end` behind it. */
export async function writeText(path: string, pieces: Iterable<string>, end = ''): Promise<void> {
  const file = await openWholeFile(path);
  try {
    for (const piece of pieces) await file.write(piece + end);
    await file.commit();
  } finally {
    await file.abandon();
  }
}

async function publish(handle: FileHandle, partial: string, path: string): Promise<void> {
  try {
    await handle.sync().finally(() => handle.close());
    await rename(partial, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw error;
  }
}

/** Makes the rename itself outlast a power cut, where the file system lets a folder be flushed. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(expectNotAllowed);
  try {
    await handle?.sync().catch(expectNotAllowed);
  } finally {
    await handle?.close();
  }
}

/** What systems answer that do not let a folder be opened or flushed. */
const NOT_ALLOWED = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS', 'EISDIR', 'EPERM', 'EACCES', 'EBADF']);

function expectNotAllowed(error: NodeJS.ErrnoException): null {
  if (NOT_ALLOWED.has(error.code ?? '')) return null;
  throw error;
}

/** Makes the folder and those above it where they are missing. Throws ResourceError. */
export async function makeFolder(path: string): Promise<void> {
  await namedWrite(path, () => mkdir(path, { recursive: true }));
}

/** Throws what `work` throws as ResourceError that names `path`. */
export async function namedWrite<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const remedy = 'make room or grant rights there, or name another folder with --out or --set cache=…';
    throw new ResourceError(`cannot write ${path}: ${reason}; ${remedy}`, { cause });
  }
}

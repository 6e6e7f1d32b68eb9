/** A file that stands under its name only once it is whole: written as `NAME.partial`, flushed to the disk, then renamed. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { ResourceError } from '../../schemas/errors.ts';

export interface WholeFile {
  /** Appends; calls are written in the order they are made, awaited or not. */
  write(bytes: Uint8Array | string): Promise<void>;
  /** Flushes and renames; after it the file is there, in place of an older one. */
  commit(): Promise<void>;
  /** Removes what was written; does nothing after `commit`. */
  abandon(): Promise<void>;
}

/** Throws ResourceError, from here and from every method, when the disk or the rights do not suffice. */
export async function openWholeFile(path: string): Promise<WholeFile> {
  const partial = `${path}.partial`;
  const handle = await named(path, () => open(partial, 'w'));
  let last: Promise<void> = Promise.resolve();
  let pending = true;
  return {
    write(bytes) {
      last = last.then(() => named(path, () => handle.appendFile(bytes)));
      last.catch(() => {}); // met again by commit, when nobody awaits this write
      return last;
    },
    async commit() {
      await last;
      pending = false;
      await named(path, () => publish(handle, partial, path));
    },
    async abandon() {
      if (!pending) return;
      pending = false;
      await last.catch(() => {});
      await handle.close();
      await rm(partial, { force: true });
    },
  };
}

/** Writes each line with a line feed behind it. */
export async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  const file = await openWholeFile(path);
  try {
    for (const line of lines) await file.write(`${line}\n`);
    await file.commit();
  } finally {
    await file.abandon();
  }
}

async function publish(handle: FileHandle, partial: string, path: string): Promise<void> {
  try {
    await handle.sync().finally(() => handle.close());
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ResourceError(`cannot write ${path}: ${reason}; make room or grant rights there, or name another --out`, {
      cause,
    });
  }
}

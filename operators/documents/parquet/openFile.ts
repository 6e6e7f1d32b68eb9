/** A local file, read by byte range, that is given up where its drive no longer answers. */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { DeadlineError, withDeadline } from './withDeadline.ts';

export interface OpenFile {
  bytes: number;
  modifiedMs: number;
  /** The bytes [start, end) in a buffer of their own. Throws where the file ends before `end`, DeadlineError where it takes too long. */
  read(start: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

// a pipe that is opened without it waits until somebody writes
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Opens `path` for reading; the caller closes it. Throws where it is not a regular file, DeadlineError where opening takes more
 * than `readSeconds`.
 */
export async function openFile(path: string, readSeconds: number): Promise<OpenFile> {
  const handle = await openInTime(path, readSeconds);
  const pending = { reads: 0 };
  // a handle is closed only when its last read has returned; one that never will is left to the end of the process
  const close = async () => (pending.reads > 0 ? undefined : handle.close());
  try {
    const found = await withDeadline(handle.stat(), readSeconds, 'looking at it');
    if (!found.isFile()) throw new Error('it is a folder, a pipe, a socket or a device, not a regular file');
    const read = (start: number, end: number) => {
      pending.reads++;
      const reading = readBytes(handle, start, end).finally(() => pending.reads--);
      return withDeadline(reading, readSeconds, `reading its bytes ${start} to ${end}`);
    };
    return { bytes: found.size, modifiedMs: found.mtimeMs, read, close };
  } catch (cause) {
    if (!(cause instanceof DeadlineError)) await close();
    throw cause;
  }
}

async function openInTime(path: string, readSeconds: number): Promise<FileHandle> {
  const opening = open(path, FLAGS);
  return withDeadline(opening, readSeconds, 'opening it').catch((cause) => {
    if (cause instanceof DeadlineError) opening.then((late) => late.close()).catch(() => {});
    throw cause;
  });
}

async function readBytes(handle: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(end - start); // unpooled: a decoder that runs over the end must hit it
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, start + filled);
    if (bytesRead === 0) throw new Error(`the file ends at byte ${start + filled}, before byte ${end}`);
    filled += bytesRead;
  }
  return buffer;
}

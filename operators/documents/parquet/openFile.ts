/** A local file, read by byte range. */
import { open } from 'node:fs/promises';

export interface OpenFile {
  bytes: number;
  modifiedMs: number;
  /** The bytes [start, end) in a buffer of their own. Throws where the file ends before `end`. */
  read(start: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens `path` for reading; the caller closes it. */
export async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, 'r');
  const { size, mtimeMs } = await handle.stat();
  return {
    bytes: size,
    modifiedMs: mtimeMs,
    async read(start, end) {
      const buffer = Buffer.allocUnsafeSlow(end - start); // unpooled: a decoder that runs over the end must hit it
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, start + filled);
        if (bytesRead === 0) throw new Error(`the file ends at byte ${start + filled}, before byte ${end}`);
        filled += bytesRead;
      }
      return buffer;
    },
    close: () => handle.close(),
  };
}

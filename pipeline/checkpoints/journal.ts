/** The rows that a pass writes as it goes, kept in one growing file: what is behind the last checkpoint's length is cut off when a run goes on. */
import { type FileHandle, open } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { crc32 } from 'node:zlib';
import type { LostRows } from '../../operators/documents/readRows.ts';
import { namedWrite } from '../../operators/files/wholeFile.ts';
import type { ScoreBatch, SetAside } from '../../schemas/batches.ts';
import { IntegrityError } from '../../schemas/errors.ts';

/** What a batch leaves behind beside the folds. */
export interface JournalEntry {
  setAside: SetAside[];
  lost: LostRows[];
  /** Where all scores are kept. */
  scores: ScoreBatch | null;
}

// before each entry: its length and its CRC-32, four bytes each
const HEADER_BYTES = 8;

export class Journal {
  readonly path: string;
  /** With every entry that `append` was called with. */
  bytes: number;
  private readonly handle: FileHandle;
  private last: Promise<void> = Promise.resolve();

  private constructor(path: string, handle: FileHandle, bytes: number) {
    this.path = path;
    this.handle = handle;
    this.bytes = bytes;
  }

  /** Opens the journal for what comes behind its first `bytes`; what is there already is cut off. */
  static async open(path: string, bytes: number): Promise<Journal> {
    const handle = await namedWrite(path, () => open(path, 'a'));
    await namedWrite(path, () => handle.truncate(bytes)).catch(async (error) => {
      await handle.close();
      throw error;
    });
    return new Journal(path, handle, bytes);
  }

  /** Entries are written in the order of the calls. Throws ResourceError. */
  append(entry: JournalEntry): Promise<void> {
    const payload = serialize(entry);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(payload.length, 0);
    header.writeUInt32LE(crc32(payload), 4);
    this.bytes += HEADER_BYTES + payload.length;
    this.last = this.last.then(() =>
      namedWrite(this.path, () => this.handle.appendFile(Buffer.concat([header, payload]))),
    );
    this.last.catch(() => {}); // met again by flush, when nobody awaits this entry
    return this.last;
  }

  /** Everything appended so far is on the disk. */
  async flush(): Promise<void> {
    await this.last;
    await namedWrite(this.path, () => this.handle.datasync());
  }

  async close(): Promise<void> {
    await this.last.catch(() => {});
    await this.handle.close();
  }
}

/** The entries in the first `bytes` of the journal. Throws IntegrityError where they are damaged or the file is shorter. */
export async function* readJournal(path: string, bytes: number): AsyncGenerator<JournalEntry> {
  if (bytes === 0) return;
  const handle = await open(path, 'r').catch((cause: Error) => {
    throw new IntegrityError(`the journal ${path} cannot be read: ${cause.message}`, { cause });
  });
  try {
    for (let at = 0; at < bytes; ) {
      const header = await readBytes(handle, path, at, HEADER_BYTES, bytes);
      const length = header.readUInt32LE(0);
      const payload = await readBytes(handle, path, at + HEADER_BYTES, length, bytes);
      if (crc32(payload) !== header.readUInt32LE(4)) throw damaged(path, at, 'its checksum does not match');
      yield deserialize(payload) as JournalEntry;
      at += HEADER_BYTES + length;
    }
  } finally {
    await handle.close();
  }
}

async function readBytes(handle: FileHandle, path: string, at: number, length: number, end: number): Promise<Buffer> {
  if (at + length > end) throw damaged(path, at, `it reaches past byte ${end}`);
  const bytes = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, at + filled);
    if (bytesRead === 0) throw damaged(path, at, `the file ends at byte ${at + filled}`);
    filled += bytesRead;
  }
  return bytes;
}

function damaged(path: string, at: number, reason: string): IntegrityError {
  return new IntegrityError(`the journal ${path} is damaged at byte ${at}: ${reason}`);
}

/** Why the first `bytes` of the journal cannot be used; null where they can. */
export async function journalFault(path: string, bytes: number): Promise<string | null> {
  try {
    for await (const _ of readJournal(path, bytes));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

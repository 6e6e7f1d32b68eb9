/** The SHA-256 of every file of a corpus, as `sha256sum` prints them: tells damage where pages carry no checksums. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../../schemas/errors.ts';
import type { OpenFile } from './parquet/openFile.ts';
import { withDeadline } from './parquet/withDeadline.ts';

/** Digests in lower-case hex by absolute path. */
export type Manifest = ReadonlyMap<string, string>;

// a million files with names of 200 bytes
const MOST_MANIFEST_BYTES = 256 * 1024 * 1024;

/** Paths in it are relative to its own folder. Throws InputError where it cannot be read or a line is none of sha256sum's. */
export async function readManifest(file: string, readSeconds: number): Promise<Manifest> {
  const lines = (await manifestText(file, readSeconds)).split('\n');
  const manifest = new Map<string, string>();
  for (const [l, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const entry = parseLine(line.replace(/\r$/, ''));
    const where = `line ${l + 1} of the manifest ${file}`;
    if (!entry)
      throw new InputError(
        `${where} is expected as sha256sum prints it ("<64 hex digits>  <path>"), got ${JSON.stringify(line.slice(0, 100))}`,
      );
    const name = path.resolve(path.dirname(file), entry.name);
    const other = manifest.get(name);
    if (other !== undefined && other !== entry.digest)
      throw new InputError(
        `${where} gives ${entry.name} the SHA-256 ${entry.digest}, a line before it ${other}: remove one of them`,
      );
    manifest.set(name, entry.digest);
  }
  return manifest;
}

async function manifestText(file: string, readSeconds: number): Promise<string> {
  try {
    const found = await withDeadline(stat(file), readSeconds, 'looking at it');
    if (!found.isFile()) throw new Error('it is not a regular file');
    if (found.size > MOST_MANIFEST_BYTES)
      throw new Error(`its ${found.size} bytes are over the limit of ${MOST_MANIFEST_BYTES}`);
    return await withDeadline(readFile(file, 'utf8'), readSeconds, 'reading it');
  } catch (cause) {
    throw new InputError(`corpus.manifest ${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

// a backslash in front says that the name is escaped, a star that the file was read as binary
const LINE = /^(?<escaped>\\?)(?<digest>[0-9a-f]{64}) [ *](?<name>.+)$/is;

function parseLine(line: string): { name: string; digest: string } | null {
  const { escaped, digest, name } = LINE.exec(line)?.groups ?? {};
  if (!name) return null;
  return { name: escaped ? unescapeName(name) : name, digest: digest.toLowerCase() };
}

const ESCAPES = new Map([
  ['\\n', '\n'],
  ['\\r', '\r'],
  ['\\\\', '\\'],
]);

function unescapeName(name: string): string {
  return name.replace(/\\[nr\\]/g, (sequence) => ESCAPES.get(sequence)!);
}

// what a process has hashed: a file's content is the same for every run in it, and its size and time are part of the key
const hashed = new Map<string, Promise<string>>();

/** Reads the whole file once a process. Throws a plain Error with both digests where it is not the file that was listed. */
export async function expectDigest(file: OpenFile, name: string, expected: string): Promise<void> {
  const key = JSON.stringify([name, file.bytes, file.modifiedMs]);
  let hashing = hashed.get(key);
  if (!hashing) {
    hashing = digestOf(file);
    hashed.set(key, hashing);
    hashing.catch(() => hashed.delete(key)); // a drive that did not answer is asked again
  }
  const got = await hashing;
  if (got !== expected) throw new Error(`its SHA-256 is ${got}, the manifest says ${expected}`);
}

const PIECE_BYTES = 1024 * 1024;

async function digestOf(file: OpenFile): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0; start < file.bytes; start += PIECE_BYTES)
    hash.update(await file.read(start, Math.min(start + PIECE_BYTES, file.bytes)));
  return hash.digest('hex');
}

/** Finds the tensors of a safetensors file or a folder of shards, reads them as float32 in pieces, and writes such files. */
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../schemas/errors.ts';
import { DamagedFile } from '../files/damagedFile.ts';
import { SEAL_BYTES, sealOf, writeSealed } from '../files/sealedFile.ts';
import { writeShared } from '../files/wholeFile.ts';

/** Where one tensor lies: `bytes` bytes at `offset` of `file`, row-major, little-endian. */
export interface TensorEntry {
  name: string;
  dtype: string;
  shape: number[];
  file: string;
  /** From the start of the file, not of the data section. */
  offset: number;
  bytes: number;
}

export type TensorIndex = Map<string, TensorEntry>;

/** Bits an element takes. Floats of 16 bits and more can be read; the rest may stand in a file but not be asked for. */
const DTYPE_BITS: Record<string, number> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
};

// The limit of the reference implementation: a length read from a file that is something else is usually absurd.
const MAX_HEADER_BYTES = 100_000_000;

const INDEX_NAME = 'model.safetensors.index.json';

const PIECE_BYTES = 64 * 2 ** 20;

/**
 * The tensors of model.safetensors, else of the shards that model.safetensors.index.json names, else of the folder's only
 * *.safetensors file. Headers are checked against the files' sizes, so that a truncated file is found here. Throws InputError.
 */
export async function openSafetensors(folder: string): Promise<TensorIndex> {
  const names = await readdir(folder).catch((cause: Error) => {
    throw new InputError(`openSafetensors expected a model folder at ${folder}: ${cause.message}`, { cause });
  });
  const file = weightsFile(names);
  if (file === INDEX_NAME) return openShards(folder, file);
  if (file) return tensorsOf(join(folder, file));
  const found = names.filter((name) => name.endsWith('.safetensors')).sort();
  const what = found.length === 0 ? 'no *.safetensors file' : `${found.length} files and no index: ${found.join(', ')}`;
  throw new InputError(
    `openSafetensors expected model.safetensors, model.safetensors.index.json with its shards, or one *.safetensors file in ` +
      `${folder}, found ${what}. Save the model with save_pretrained(…, safe_serialization=True)`,
  );
}

/** Which of a folder's files its weights are read from, a safetensors file or the index of its shards; null where none or several could be. */
export function weightsFile(names: string[]): string | null {
  const files = names.filter((name) => name.endsWith('.safetensors'));
  const only = files.length === 1 ? files[0] : null;
  return ['model.safetensors', INDEX_NAME].find((name) => names.includes(name)) ?? only;
}

async function openShards(folder: string, indexName: string): Promise<TensorIndex> {
  const indexFile = join(folder, indexName);
  const weightMap = await readWeightMap(indexFile);
  const shards = new Map<string, TensorIndex>();
  const index: TensorIndex = new Map();
  for (const [tensor, shard] of weightMap) {
    if (!shards.has(shard)) shards.set(shard, await openShard(folder, shard, tensor, indexFile));
    const entry = shards.get(shard)?.get(tensor);
    if (!entry)
      throw new InputError(
        `openSafetensors expected tensor ${tensor} in ${join(folder, shard)}, where ${indexFile} puts it, found no such tensor there`,
      );
    index.set(tensor, entry);
  }
  return index;
}

/** Which shard holds each tensor. Throws InputError. */
export async function readWeightMap(indexFile: string): Promise<[tensor: string, shard: string][]> {
  let weightMap: unknown;
  try {
    weightMap = (JSON.parse(await readFile(indexFile, 'utf8')) as { weight_map?: unknown } | null)?.weight_map;
  } catch (cause) {
    throw new InputError(`openSafetensors expected JSON in ${indexFile}: ${(cause as Error).message}`, { cause });
  }
  const entries = isObject(weightMap) ? Object.entries(weightMap) : [];
  if (entries.length === 0)
    throw new InputError(`openSafetensors expected "weight_map", tensor names to shard files, in ${indexFile}`);
  for (const [tensor, shard] of entries)
    if (typeof shard !== 'string' || basename(shard) !== shard || shard === '..')
      throw new InputError(
        `openSafetensors expected the name of a file in the same folder as the shard of tensor ${tensor} in ${indexFile}, ` +
          `found ${JSON.stringify(shard)}`,
      );
  return entries as [string, string][];
}

async function openShard(folder: string, shard: string, tensor: string, indexFile: string): Promise<TensorIndex> {
  const file = join(folder, shard);
  const found = await stat(file).catch(() => null);
  if (!found?.isFile())
    throw new InputError(
      `openSafetensors expected shard ${file}, which ${indexFile} names for tensor ${tensor}, and it is missing: ` +
        'copy every shard of the model into the folder',
    );
  return tensorsOf(file);
}

async function tensorsOf(file: string): Promise<TensorIndex> {
  return (await openSafetensorsFile(file)).tensors;
}

/** What one safetensors file holds. */
export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: TensorIndex;
}

/** The tensors and the metadata of one file, its header checked against its size. Throws InputError. */
export async function openSafetensorsFile(file: string): Promise<SafetensorsFile> {
  const handle = await openForReading(file);
  try {
    const { size } = await handle.stat();
    const refuse = (expected: string, found: string): never => {
      throw new InputError(
        `openSafetensors expected ${expected} in ${file}, found ${found}: the file is truncated or not safetensors; copy it again`,
      );
    };
    if (size < 8) refuse('at least 8 bytes', `${size}`);
    const start = Buffer.alloc(8);
    await readFully(handle, start, 0, file, 'the header');
    const headerBytes = Number(start.readBigUInt64LE());
    if (headerBytes > Math.min(size - 8, MAX_HEADER_BYTES))
      refuse(
        `a header of at most ${Math.min(size - 8, MAX_HEADER_BYTES)} bytes (the file has ${size})`,
        `${headerBytes}`,
      );
    const text = Buffer.alloc(headerBytes);
    await readFully(handle, text, 8, file, 'the header');
    return parseHeader(text.toString('utf8'), file, 8 + headerBytes, size);
  } finally {
    await handle.close();
  }
}

function parseHeader(text: string, file: string, dataStart: number, size: number): SafetensorsFile {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`openSafetensors expected a JSON header in ${file}: ${(cause as Error).message}`, { cause });
  }
  if (!isObject(header)) throw new InputError(`openSafetensors expected a JSON object as the header of ${file}`);
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => parseEntry(name, value, file, dataStart))
    .sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkLayout(entries, file, dataStart, size);
  const metadata = isObject(header.__metadata__) ? (header.__metadata__ as Record<string, string>) : {};
  return { metadata, tensors: new Map(entries.map((entry) => [entry.name, entry])) };
}

function parseEntry(name: string, value: unknown, file: string, dataStart: number): TensorEntry {
  const { dtype, shape, data_offsets: range } = (isObject(value) ? value : {}) as Record<string, unknown>;
  const refuse = (expected: string, found: unknown): never => {
    throw new InputError(
      `openSafetensors expected ${expected} for tensor ${name} of ${file}, found ${JSON.stringify(found)}`,
    );
  };
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BITS, dtype))
    return refuse(`a dtype among ${Object.keys(DTYPE_BITS).join(', ')}`, dtype);
  if (!isCounts(shape)) return refuse('a shape of whole numbers', shape);
  if (!isCounts(range) || range.length !== 2 || range[1] < range[0]) return refuse('data_offsets [begin, end]', range);
  const bytes = (shape.reduce((product, n) => product * n, 1) * DTYPE_BITS[dtype]) / 8;
  if (range[1] - range[0] !== bytes)
    return refuse(`${bytes} bytes (${dtype} of shape [${shape}])`, `${range[1] - range[0]} bytes at [${range}]`);
  return { name, dtype, shape, file, offset: dataStart + range[0], bytes };
}

/** The format allows neither holes nor overlaps, and the last tensor ends where the file does. */
function checkLayout(entries: TensorEntry[], file: string, dataStart: number, size: number): void {
  let end = dataStart;
  for (const { name, offset, bytes } of entries) {
    if (offset !== end)
      throw new InputError(
        `openSafetensors expected tensor ${name} of ${file} to begin at byte ${end}, where the one before it ends, found ${offset}`,
      );
    end = offset + bytes;
    if (end > size)
      throw new InputError(
        `openSafetensors expected tensor ${name} of ${file} to end at byte ${end}, found a file of ${size} bytes: ` +
          'it is truncated; copy it again',
      );
  }
  if (end !== size)
    throw new InputError(
      `openSafetensors expected ${file} to end with its last tensor at byte ${end}, found ${size} bytes`,
    );
}

/** The whole tensor as float32; a float64 is rounded. Throws InputError for integers and 8-bit floats. */
export async function readTensor(entry: TensorEntry): Promise<Float32Array> {
  const values = new Float32Array(elementsOf(entry.shape));
  let at = 0;
  for await (const piece of readTensorPieces(entry)) {
    values.set(piece, at);
    at += piece.length;
  }
  return values;
}

/** A whole float64 tensor, unrounded. Throws InputError for another dtype. */
export async function readDoubles(entry: TensorEntry): Promise<Float64Array> {
  if (entry.dtype !== 'F64')
    throw new InputError(`readDoubles expected F64 for tensor ${entry.name} of ${entry.file}, found ${entry.dtype}`);
  const values = new Float64Array(elementsOf(entry.shape));
  const handle = await openForReading(entry.file);
  try {
    await readFully(handle, new Uint8Array(values.buffer), entry.offset, entry.file, `tensor ${entry.name}`);
  } finally {
    await handle.close();
  }
  return values;
}

/** The tensor as float32 in row-major pieces of at most `pieceBytes` bytes, each its own array. */
export async function* readTensorPieces(entry: TensorEntry, pieceBytes = PIECE_BYTES): AsyncGenerator<Float32Array> {
  const read = READERS[entry.dtype];
  if (!read)
    throw new InputError(
      `readTensor expected one of ${Object.keys(READERS).join(', ')} for tensor ${entry.name} of ${entry.file}, found ` +
        `${entry.dtype}: save the model in one of these (a quantised one has no gradients)`,
    );
  const total = elementsOf(entry.shape);
  const atOnce = Math.max(1, Math.floor(pieceBytes / 4));
  const elementBytes = DTYPE_BITS[entry.dtype] / 8;
  const handle = await openForReading(entry.file);
  try {
    for (let at = 0; at < total; at += atOnce) {
      const count = Math.min(atOnce, total - at);
      yield await read(count, (bytes) =>
        readFully(handle, bytes, entry.offset + at * elementBytes, entry.file, `tensor ${entry.name}`),
      );
    }
  } finally {
    await handle.close();
  }
}

/** Reads `count` elements through `fill` and widens (F64: rounds) them. Little-endian hosts only, as Node's all are. */
type Reader = (count: number, fill: (bytes: Uint8Array) => Promise<void>) => Promise<Float32Array>;

const READERS: Record<string, Reader> = {
  F32: async (count, fill) => {
    const values = new Float32Array(count);
    await fill(new Uint8Array(values.buffer));
    return values;
  },
  BF16: async (count, fill) => {
    const bits = new Uint16Array(count);
    await fill(new Uint8Array(bits.buffer));
    const widened = new Uint32Array(count);
    for (let i = 0; i < count; i++) widened[i] = bits[i] << 16;
    return new Float32Array(widened.buffer);
  },
  F16: async (count, fill) => {
    const bits = new Uint16Array(count);
    await fill(new Uint8Array(bits.buffer));
    halves ??= Float32Array.from({ length: 65536 }, (_, half) => widenHalf(half));
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = halves[bits[i]];
    return values;
  },
  F64: async (count, fill) => {
    const values = new Float64Array(count);
    await fill(new Uint8Array(values.buffer));
    return Float32Array.from(values);
  },
};

/** Every float16 as float32: a constant, made when the first float16 tensor is read. */
let halves: Float32Array | undefined;

function widenHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A tensor to be written. `pieces` concatenate to the tensor, row-major. */
export interface TensorToWrite {
  name: string;
  dtype: 'F32' | 'F64';
  shape: number[];
  pieces: Iterable<Float32Array | Float64Array> | AsyncIterable<Float32Array | Float64Array>;
}

/** Writes a safetensors file that is either whole or not there. Throws ResourceError with the path when the disk refuses. */
export async function writeSafetensors(
  path: string,
  metadata: Record<string, string>,
  tensors: TensorToWrite[],
): Promise<void> {
  await writeShared(path, piecesOfFile(headerOf(metadata, tensors), tensors));
}

/** The last tensor of a file of the cache: the digest of all that stands before it, in hexadecimal. */
const SEAL = { name: 'sha256', dtype: 'U8', shape: [SEAL_BYTES] };

/** As `writeSafetensors`, with a last tensor by which `openSealedSafetensors` knows the file's content again. */
export async function writeSealedSafetensors(
  path: string,
  metadata: Record<string, string>,
  tensors: TensorToWrite[],
): Promise<void> {
  await writeSealed(path, piecesOfFile(headerOf(metadata, [...tensors, SEAL]), tensors));
}

/** A file that `writeSealedSafetensors` wrote, its content checked. Throws DamagedFile where it is missing or another. */
export async function openSealedSafetensors(file: string): Promise<SafetensorsFile & { digest: string }> {
  const digest = await sealOf(file);
  const { metadata, tensors } = await openSafetensorsFile(file).catch((cause: Error) => {
    throw new DamagedFile(file, cause.message, cause);
  });
  tensors.delete(SEAL.name);
  return { metadata, tensors, digest };
}

async function* piecesOfFile(header: Buffer, tensors: TensorToWrite[]): AsyncGenerator<ArrayBufferView> {
  yield header;
  for (const tensor of tensors) yield* piecesOfTensor(tensor);
}

function headerOf(metadata: Record<string, string>, tensors: Pick<TensorEntry, 'name' | 'dtype' | 'shape'>[]): Buffer {
  const header: [string, unknown][] = [['__metadata__', metadata]];
  let end = 0;
  for (const { name, dtype, shape } of tensors) {
    const begin = end;
    end += (elementsOf(shape) * DTYPE_BITS[dtype]) / 8;
    header.push([name, { dtype, shape, data_offsets: [begin, end] }]);
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  // Spaces to a multiple of 8 bytes, so that every float64 lies on its own boundary in a mapped file.
  const padding = Buffer.alloc((8 - (json.length % 8)) % 8, ' ');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length + padding.length));
  return Buffer.concat([length, json, padding]);
}

async function* piecesOfTensor({ name, dtype, shape, pieces }: TensorToWrite): AsyncGenerator<ArrayBufferView> {
  const Values = dtype === 'F32' ? Float32Array : Float64Array;
  let written = 0;
  for await (const piece of pieces) {
    yield piece instanceof Values ? piece : Values.from(piece);
    written += piece.length;
  }
  if (written !== elementsOf(shape))
    throw new Error(
      `writeSafetensors expected ${elementsOf(shape)} numbers for ${name} of shape [${shape}], got ${written}`,
    );
}

async function openForReading(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (cause) {
    throw new InputError(`openSafetensors could not read ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** Fills `bytes` from `position` on; the file may have been shortened since its header was read. */
async function readFully(handle: FileHandle, bytes: Uint8Array, position: number, file: string, what: string) {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), position + at);
    if (bytesRead === 0)
      throw new InputError(
        `readTensor expected ${bytes.length} bytes of ${what} at byte ${position} of ${file}, found ${at}: the file was truncated`,
      );
    at += bytesRead;
  }
}

function elementsOf(shape: number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

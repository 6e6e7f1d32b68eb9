import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  openSafetensors,
  openSafetensorsFile,
  readTensor,
  readTensorPieces,
  type TensorEntry,
  writeSafetensors,
} from '../../../operators/gradients/safetensors.ts';
import { InputError, ResourceError } from '../../../schemas/errors.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A safetensors file's bytes from its parts, however wrong they are. */
function fileOf(header: unknown, data: Uint8Array, headerBytes?: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(headerBytes ?? json.length));
  return Buffer.concat([length, json, data]);
}

async function write(bytes: Uint8Array, name = 'model.safetensors'): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, bytes);
  return file;
}

const bytesOf = (values: Float32Array | Float64Array | Uint16Array) => new Uint8Array(values.buffer);
const two = {
  a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
  b: { dtype: 'F32', shape: [1, 1], data_offsets: [8, 12] },
};

describe('openSafetensors', () => {
  test('finds every tensor of model.safetensors, with its place in the file', async () => {
    const file = await write(fileOf({ ...two, __metadata__: { format: 'pt' } }, bytesOf(Float32Array.of(1, 2, 3))));
    const index = await openSafetensors(folder);
    expect([...index.keys()]).toEqual(['a', 'b']);
    const b = index.get('b')!;
    expect(b).toMatchObject({ name: 'b', dtype: 'F32', shape: [1, 1], file, bytes: 4 });
    expect(await readTensor(b)).toEqual(Float32Array.of(3));
    expect((await openSafetensorsFile(file)).metadata).toEqual({ format: 'pt' });
  });

  test('reads the shards of model.safetensors.index.json', async () => {
    await write(fileOf({ a: two.a }, bytesOf(Float32Array.of(1, 2))), 'model-00001-of-00002.safetensors');
    await write(
      fileOf({ b: { ...two.b, data_offsets: [0, 4] } }, bytesOf(Float32Array.of(3))),
      'model-00002-of-00002.safetensors',
    );
    const weight_map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
    const index = await openSafetensors(folder);
    expect(await readTensor(index.get('a')!)).toEqual(Float32Array.of(1, 2));
    expect(await readTensor(index.get('b')!)).toEqual(Float32Array.of(3));
  });

  test('takes the only safetensors file of a folder, whatever its name', async () => {
    await write(fileOf(two, new Uint8Array(12)), 'weights.safetensors');
    expect((await openSafetensors(folder)).size).toBe(2);
  });

  test('refuses a folder of several files and no index, naming them', async () => {
    await write(fileOf(two, new Uint8Array(12)), 'one.safetensors');
    await write(fileOf(two, new Uint8Array(12)), 'two.safetensors');
    await expect(openSafetensors(folder)).rejects.toThrow(
      /found 2 files and no index: one.safetensors, two.safetensors/,
    );
  });

  test('refuses a folder that is not there or holds no weights', async () => {
    await expect(openSafetensors(join(folder, 'absent'))).rejects.toThrow(
      /expected a model folder at .*absent: ENOENT/,
    );
    await expect(openSafetensors(folder)).rejects.toThrow(/found no \*\.safetensors file/);
    await expect(openSafetensors(folder)).rejects.toBeInstanceOf(InputError);
  });

  const wrong: [title: string, bytes: Uint8Array, text: RegExp][] = [
    ['an empty file', new Uint8Array(0), /expected at least 8 bytes in .*model\.safetensors, found 0/],
    [
      'a header longer than the file',
      fileOf(two, new Uint8Array(12), 5000),
      /expected a header of at most \d+ bytes .*found 5000/,
    ],
    ['a header length of 2^63', fileOf(two, new Uint8Array(12), 2 ** 63), /expected a header of at most/],
    [
      'a header that is not JSON',
      fileOf('{"a":', new Uint8Array(12)),
      /expected a JSON header in .*model\.safetensors/,
    ],
    ['a header that is a list', fileOf([], new Uint8Array(0)), /expected a JSON object as the header of/],
    [
      'an unknown dtype',
      fileOf({ a: { ...two.a, dtype: 'Q4' } }, new Uint8Array(8)),
      /a dtype among .*tensor a .*found "Q4"/,
    ],
    [
      'a negative shape',
      fileOf({ a: { ...two.a, shape: [-2] } }, new Uint8Array(8)),
      /shape of whole numbers for tensor a.*\[-2\]/,
    ],
    [
      'a range that runs backwards',
      fileOf({ a: { ...two.a, data_offsets: [8, 0] } }, new Uint8Array(8)),
      /data_offsets/,
    ],
    [
      'a range that does not fit the shape',
      fileOf({ a: { ...two.a, shape: [3] } }, new Uint8Array(8)),
      /expected 12 bytes \(F32 of shape \[3\]\) for tensor a of .*found "8 bytes at \[0,8\]"/,
    ],
    [
      'a hole between tensors',
      fileOf({ a: two.a, b: { ...two.b, data_offsets: [12, 16] } }, new Uint8Array(16)),
      /expected tensor b of .* to begin at byte \d+, where the one before it ends/,
    ],
    [
      'overlapping tensors',
      fileOf({ a: two.a, b: { ...two.b, data_offsets: [4, 8] } }, new Uint8Array(8)),
      /expected tensor b of .* to begin at byte/,
    ],
    [
      'a truncated file',
      fileOf(two, new Uint8Array(10)),
      /expected tensor b of .* to end at byte \d+, found a file of \d+ bytes/,
    ],
    ['bytes after the last tensor', fileOf(two, new Uint8Array(13)), /to end with its last tensor/],
    ['a null entry', fileOf({ a: null }, new Uint8Array(0)), /a dtype among .* for tensor a/],
  ];
  test.each(wrong)('refuses %s', async (_title, bytes, text) => {
    await write(bytes);
    await expect(openSafetensors(folder)).rejects.toThrow(text);
    await expect(openSafetensors(folder)).rejects.toMatchObject({ exitCode: 3 });
  });

  const wrongIndex: [title: string, index: string, text: RegExp][] = [
    [
      'a shard that is missing',
      '{"weight_map":{"a":"gone.safetensors"}}',
      /expected shard .*gone\.safetensors.* for tensor a, and it is missing/,
    ],
    [
      'a tensor its shard lacks',
      '{"weight_map":{"c":"shard.safetensors"}}',
      /expected tensor c in .*shard\.safetensors/,
    ],
    [
      'a shard outside the folder',
      '{"weight_map":{"a":"../shard.safetensors"}}',
      /name of a file in the same folder .*tensor a/,
    ],
    ['an index that is not JSON', '{', /expected JSON in .*index\.json/],
    ['an index without a weight map', '{"metadata":{}}', /expected "weight_map"/],
    ['an index that is null', 'null', /expected "weight_map"/],
  ];
  test.each(wrongIndex)('refuses an index with %s', async (_title, index, text) => {
    await write(fileOf(two, new Uint8Array(12)), 'shard.safetensors');
    await writeFile(join(folder, 'model.safetensors.index.json'), index);
    await expect(openSafetensors(folder)).rejects.toThrow(text);
  });

  test('any truncation of a file is found', async () => {
    const whole = fileOf(two, new Uint8Array(12));
    for (let length = 0; length < whole.length; length++) {
      await write(whole.subarray(0, length));
      await expect(openSafetensors(folder), `${length} bytes`).rejects.toBeInstanceOf(InputError);
    }
  });
});

describe('readTensor', () => {
  async function only(dtype: string, data: Uint8Array, shape: number[]): Promise<TensorEntry> {
    await write(fileOf({ a: { dtype, shape, data_offsets: [0, data.length] } }, data));
    return (await openSafetensors(folder)).get('a')!;
  }

  test('widens every float16 exactly', async () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const values = await readTensor(await only('F16', bytesOf(bits), [256, 256]));
    // Reference: the float16 written bit by bit, as a sum of powers of two.
    const slow = (half: number) => {
      let value = half & 0x7c00 ? 1 : 0;
      for (let b = 0; b < 10; b++) if (half & (1 << b)) value += 2 ** (b - 10);
      return (half & 0x8000 ? -1 : 1) * value * 2 ** (Math.max(1, (half >> 10) & 31) - 15);
    };
    for (let half = 0; half < 65536; half++) if ((half & 0x7c00) !== 0x7c00) expect(values[half]).toBe(slow(half));
    expect([values[0x7c00], values[0xfc00], values[0x7e00]]).toEqual([Infinity, -Infinity, NaN]);
  });

  test('widens bfloat16 exactly', async () => {
    const bits = Uint16Array.of(0x3f80, 0xc049, 0x0001, 0x7f80, 0x7fc0, 0x8000);
    expect(await readTensor(await only('BF16', bytesOf(bits), [6]))).toEqual(
      Float32Array.of(1, -3.140625, 2 ** -133, Infinity, NaN, -0),
    );
  });

  test('rounds float64 to float32', async () => {
    expect(await readTensor(await only('F64', bytesOf(Float64Array.of(1 / 3, -1e300)), [2]))).toEqual(
      Float32Array.of(1 / 3, -Infinity),
    );
  });

  test('gives the same numbers in pieces of any size', async () => {
    const whole = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i));
    const entry = await only('F32', bytesOf(whole), [10, 100]);
    for (const pieceBytes of [1, 4, 12, 1024, 4000, 1e6]) {
      const pieces: Float32Array[] = [];
      for await (const piece of readTensorPieces(entry, pieceBytes)) pieces.push(piece);
      expect(Math.max(...pieces.map((piece) => piece.byteLength))).toBeLessThanOrEqual(Math.max(4, pieceBytes));
      expect(Float32Array.from(pieces.flatMap((piece) => [...piece]))).toEqual(whole);
    }
  });

  test('reads a tensor without elements and a scalar', async () => {
    expect(await readTensor(await only('F32', new Uint8Array(0), [0, 4]))).toEqual(new Float32Array(0));
    expect(await readTensor(await only('F32', bytesOf(Float32Array.of(7)), []))).toEqual(Float32Array.of(7));
  });

  test('refuses integers and names the tensor', async () => {
    await expect(readTensor(await only('I64', new Uint8Array(8), [1]))).rejects.toThrow(
      /expected one of F32, BF16, F16, F64 for tensor a of .*found I64/,
    );
  });

  test('notices a file cut after it was opened', async () => {
    const entry = await only('F32', new Uint8Array(400), [100]);
    await writeFile(entry.file, (await readFile(entry.file)).subarray(0, 200));
    await expect(readTensor(entry)).rejects.toThrow(/expected 400 bytes of tensor a at byte \d+ of .*truncated/);
  });
});

describe('writeSafetensors', () => {
  test('reads back what it writes, for any tensors', async () => {
    const file = join(folder, 'any.safetensors');
    const tensor = fc.record({
      dtype: fc.constantFrom('F32' as const, 'F64' as const),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(tensor, { maxLength: 4 }), async (tensors) => {
        const values = tensors.map(({ shape }, t) =>
          Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.cos(10 * t + i)),
        );
        const pieces = (t: number) => [values[t].subarray(0, 3), values[t].subarray(3)];
        await writeSafetensors(
          file,
          { version: '1' },
          tensors.map((each, t) => ({ ...each, name: `t${t}`, pieces: pieces(t) })),
        );
        const read = await openSafetensorsFile(file);
        expect(read.metadata).toEqual({ version: '1' });
        for (let t = 0; t < tensors.length; t++) {
          const entry = read.tensors.get(`t${t}`)!;
          expect(entry).toMatchObject(tensors[t]);
          expect(entry.offset % 4).toBe(0);
          expect(await readTensor(entry)).toEqual(values[t]);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('leaves the old file and nothing else when the pieces fail', async () => {
    const file = join(folder, 'kept.safetensors');
    const tensor = { name: 'a', dtype: 'F32' as const, shape: [2] };
    await writeSafetensors(file, {}, [{ ...tensor, pieces: [Float32Array.of(1, 2)] }]);
    await expect(writeSafetensors(file, {}, [{ ...tensor, pieces: [Float32Array.of(1)] }])).rejects.toThrow(
      /expected 2 numbers for a of shape \[2\], got 1/,
    );
    expect(await readdir(folder)).toEqual(['kept.safetensors']);
    expect(await readTensor((await openSafetensorsFile(file)).tensors.get('a')!)).toEqual(Float32Array.of(1, 2));
  });

  test('names the path when the disk refuses', async () => {
    const path = join(folder, 'absent', 'x.safetensors');
    await expect(writeSafetensors(path, {}, [])).rejects.toThrow(/cannot write .*absent.*ENOENT/);
    await expect(writeSafetensors(path, {}, [])).rejects.toBeInstanceOf(ResourceError);
  });
});

/** The external data of graphs: pages, what they are of, and their digest. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { tellNotices } from '../../../operators/files/damagedFile.ts';
import { writeOnnx } from '../../../operators/gradients/graph/onnxFile.ts';
import { digestsOf, layOutWeights, writeArrays } from '../../../operators/gradients/weightsFile.ts';
import { IntegrityError } from '../../../schemas/errors.ts';

const folder = await mkdtemp(join(tmpdir(), 'headwater-weights-'));
afterAll(() => rm(folder, { recursive: true }));

let lines: string[];
beforeEach(() => {
  lines = [];
  tellNotices((line) => lines.push(line));
});

const arrays = new Map([
  ['a', Float32Array.of(1, 2, 3)],
  ['b', new Float32Array(2000).fill(0.5)],
]);
const layout = layOutWeights(
  'w.bin',
  [...arrays].map(([name, { length }]) => [name, length]),
);
const path = join(folder, 'w.bin');
const write = (of = 'aa') => writeArrays(path, { arrays: of }, layout, arrays);

describe('a file of weights', () => {
  it('has each array at its page', async () => {
    await write();
    const bytes = await readFile(path);
    for (const [name, values] of arrays) {
      const { offset, bytes: length } = layout.get(name)!;
      expect(offset % 4096).toBe(0);
      expect(bytes.subarray(offset, offset + length)).toEqual(Buffer.from(values.buffer));
    }
  });

  it('is written once, and again where it is damaged, which is said', async () => {
    await write();
    const whole = await readFile(path);
    const { mtimeNs } = await stat(path, { bigint: true });
    await write();
    expect((await stat(path, { bigint: true })).mtimeNs).toBe(mtimeNs);
    for (const at of [0, 5000, whole.length - 300, whole.length - 1]) {
      await writeFile(path, whole.with(at, whole[at]! ^ 16));
      await write();
      expect((await readFile(path)).equals(whole)).toBe(true);
    }
    expect(lines).toHaveLength(4);
    for (const line of lines)
      expect(line).toContain(`${path} cannot be used and is made again: it does not end in the SHA-256`);
  });

  it('of an earlier version, without a digest, is made again', async () => {
    await write();
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, -320));
    await write();
    expect((await readFile(path)).equals(whole)).toBe(true);
    expect(lines).toEqual([expect.stringContaining('cut short or of an earlier version')]);
  });

  it('of something else is refused, though it is whole', async () => {
    await write();
    await expect(write('bb')).rejects.toThrow(IntegrityError);
    await expect(write('bb')).rejects.toThrow(
      `the weights ${path} were made for something else: arrays (expected "bb", found "aa"). Delete them and run again`,
    );
  });
});

describe('the digests of arrays', () => {
  it('tell arrays apart by every number and name', () => {
    const digests = new Set(
      [
        [['a', [1, 2]]],
        [['a', [1, 3]]],
        [['b', [1, 2]]],
        [['a', [1, 2, 0]]],
      ].map((pairs) => JSON.stringify(digestsOf(new Map(pairs.map(([name, values]) => [name as string, Float32Array.from(values as number[])]))))), // biome-ignore format: a table
    );
    expect(digests.size).toBe(4);
  });
});

describe('the file of a graph', () => {
  it('is written where it is missing or holds other bytes, which is said, and left alone otherwise', async () => {
    const graph = join(folder, 'graph.onnx');
    const bytes = Buffer.from('a graph');
    await writeOnnx(graph, bytes);
    const { mtimeNs } = await stat(graph, { bigint: true });
    await writeOnnx(graph, bytes);
    expect((await stat(graph, { bigint: true })).mtimeNs).toBe(mtimeNs);
    expect(lines).toEqual([]);
    for (const other of ['', 'a grapi', 'a graph and more']) {
      await writeFile(graph, other);
      await writeOnnx(graph, bytes);
      expect(await readFile(graph)).toEqual(bytes);
    }
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(
      `cache: ${graph} cannot be used and is made again: it is not the graph that this run needs under this name`,
    );
  });
});

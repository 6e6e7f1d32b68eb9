import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DamagedFile } from '../../../operators/files/damagedFile.ts';
import { writeSafetensors } from '../../../operators/gradients/safetensors.ts';
import {
  fingerprintQueries,
  openQueryCache,
  type QueryFingerprint,
  type QueryLayer,
  queryCachePath,
  readProjections,
  writeQueryCache,
} from '../../../operators/queries/queryCache.ts';
import { IntegrityError } from '../../../schemas/errors.ts';

const scratch = await mkdtemp(join(tmpdir(), 'headwater-queries-'));
afterAll(() => rm(scratch, { recursive: true }));

const wanted: QueryFingerprint = {
  version: 1,
  model: 'aa',
  queryModel: 'aa',
  tokenizer: 'bb',
  modules: ['model.layers.0.mlp.up_proj'],
  contextTokens: 8,
  chatTemplate: false,
  preconditioner: { kind: 'identity' },
  projection: { kind: 'random', k: 2, distribution: 'normal' },
  factors: null,
  seed: 0,
  queries: 'cc',
  operator: null,
};

async function written(): Promise<string> {
  const path = queryCachePath(scratch, wanted);
  await writeQueryCache(path, wanted, columns, [layer]);
  return path;
}

const layers = [{ outputs: 2, inputs: 2, share: 1, captured: 0.75 }];
const columns = { loss: [0.5, 0.25], tokens: [3, 4], squaredNorm: [9, 16], layers };
const outputs = { rows: 3, k: 2, values: Float32Array.from([1, 0, 0, 1, 0, 0]) };
const layer: QueryLayer = {
  module: wanted.modules[0],
  width: 4,
  outputs: [3, 2],
  inputs: null,
  block: async () => ({
    values: Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]),
    projection: { outputs, inputs: null },
  }),
};

const whole = { outputs: null, inputs: null };

describe('the query cache', () => {
  it('comes back as it was written', async () => {
    const { path, digest, offsets, ...cache } = await openQueryCache(await written(), wanted);
    expect(cache).toEqual({ modules: wanted.modules, widths: [4], ...columns });
    const bytes = await readFile(path);
    expect(digest).toBe(createHash('sha256').update(bytes.subarray(0, -64)).digest('hex'));
    expect(Array.from(new Float32Array(bytes.buffer.slice(bytes.byteOffset + offsets[0]), 0, 8))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
  });

  it('gives the matrices that documents are projected with, and none where a side is whole', async () => {
    const cache = await openQueryCache(await written(), wanted);
    expect(await readProjections(cache)).toEqual([{ outputs, inputs: null }]);
  });

  it('knows nothing of norms and widths where the gradients are a custom operator’s', async () => {
    const path = join(scratch, 'own.safetensors');
    const own = { ...layer, outputs: null, block: async () => ({ ...(await layer.block()), projection: whole }) };
    await writeQueryCache(path, wanted, { ...columns, squaredNorm: null, layers: null }, [own]);
    const cache = await openQueryCache(path, wanted);
    expect(cache).toMatchObject({ widths: [4], squaredNorm: null, layers: null });
    expect(await readProjections(cache)).toEqual([whole]);
  });

  it('asks for a layer once, when its turn comes, and for the next one after it', async () => {
    const asked: string[] = [];
    const named = (module: string): QueryLayer => ({
      ...layer,
      module,
      async block() {
        asked.push(module);
        return layer.block();
      },
    });
    await writeQueryCache(join(scratch, 'turns.safetensors'), wanted, columns, ['a', 'b', 'c'].map(named));
    expect(asked).toEqual(['a', 'b', 'c']);
  });

  it('is refused with the keys that differ where it was made for something else', async () => {
    const path = await written();
    const other = { ...wanted, model: 'dd', projection: { kind: 'exact' } };
    await expect(openQueryCache(path, other)).rejects.toThrow(IntegrityError);
    await expect(openQueryCache(path, other)).rejects.toThrow(
      /made for something else: model \(expected "dd", found "aa"\), projection \(expected \{"kind":"exact"\}, found .*run headwater queries/,
    );
  });

  it('is damaged where a bit is flipped anywhere, where it was cut short, and where its digest is missing', async () => {
    const path = await written();
    const whole = await readFile(path);
    for (let bit = 0; bit < 8 * whole.length; bit += 97) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path, flipped);
      await expect(openQueryCache(path, wanted), `bit ${bit}`).rejects.toThrow(DamagedFile);
    }
    for (const length of [0, 7, whole.length - 64, whole.length - 4]) {
      await writeFile(path, whole.subarray(0, length));
      await expect(openQueryCache(path, wanted)).rejects.toThrow(DamagedFile);
    }
    await writeSafetensors(path, {}, [{ name: 'loss', dtype: 'F64', shape: [9], pieces: [new Float64Array(9)] }]);
    await expect(openQueryCache(path, wanted)).rejects.toThrow('does not end in the SHA-256 of its content');
  });

  it('has another name for every setting that changes a number, and not for a task', () => {
    const query = { id: 'q', prompt: 'p', completion: 'c', task: 't', answers: [], steps: [] };
    expect(fingerprintQueries([query])).toBe(fingerprintQueries([{ ...query, task: 'u' }]));
    expect(fingerprintQueries([query])).not.toBe(fingerprintQueries([{ ...query, completion: 'd' }]));
    expect(fingerprintQueries([query])).not.toBe(fingerprintQueries([{ ...query, completionIds: [1] }]));
    expect(queryCachePath(scratch, wanted)).not.toBe(queryCachePath(scratch, { ...wanted, seed: 1 }));
  });
});

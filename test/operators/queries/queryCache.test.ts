import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  fingerprintQueries,
  openQueryCache,
  type QueryFingerprint,
  queryCachePath,
  writeQueryCache,
} from '../../../operators/queries/queryCache.ts';
import { IntegrityError } from '../../../schemas/errors.ts';

const scratch = await mkdtemp(join(tmpdir(), 'headwater-queries-'));
afterAll(() => rm(scratch, { recursive: true }));

const wanted: QueryFingerprint = {
  version: 1,
  model: 'aa',
  tokenizer: 'bb',
  modules: ['model.layers.0.mlp.up_proj'],
  contextTokens: 8,
  chatTemplate: false,
  preconditioner: { kind: 'identity' },
  projection: { kind: 'random', k: 2, distribution: 'normal' },
  seed: 0,
  queries: 'cc',
  operator: null,
};

async function written(): Promise<string> {
  const path = queryCachePath(scratch, wanted);
  const block = { module: wanted.modules[0], width: 4, values: Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8]) };
  await writeQueryCache(path, wanted, [block], [0.5, 0.25], [3, 4]);
  return path;
}

describe('the query cache', () => {
  it('comes back as it was written', async () => {
    const { modules, widths, loss, tokens } = await openQueryCache(await written(), wanted);
    expect({ modules, widths, loss, tokens }).toEqual({
      modules: wanted.modules,
      widths: [4],
      loss: [0.5, 0.25],
      tokens: [3, 4],
    });
  });

  it('is refused with the keys that differ where it was made for something else', async () => {
    const path = await written();
    const other = { ...wanted, model: 'dd', projection: { kind: 'exact' } };
    await expect(openQueryCache(path, other)).rejects.toThrow(IntegrityError);
    await expect(openQueryCache(path, other)).rejects.toThrow(
      /made for something else: model \(expected "dd", found "aa"\), projection \(expected \{"kind":"exact"\}, found .*run headwater queries/,
    );
  });

  it('is refused where it was cut short', async () => {
    const path = await written();
    await writeFile(path, (await readFile(path)).subarray(0, -4));
    await expect(openQueryCache(path, wanted)).rejects.toThrow('is not a whole query cache');
  });

  it('has another name for every setting that changes a number, and not for a task', () => {
    const query = { id: 'q', prompt: 'p', completion: 'c', task: 't', answers: [], steps: [] };
    expect(fingerprintQueries([query])).toBe(fingerprintQueries([{ ...query, task: 'u' }]));
    expect(fingerprintQueries([query])).not.toBe(fingerprintQueries([{ ...query, completion: 'd' }]));
    expect(fingerprintQueries([query])).not.toBe(fingerprintQueries([{ ...query, completionIds: [1] }]));
    expect(queryCachePath(scratch, wanted)).not.toBe(queryCachePath(scratch, { ...wanted, seed: 1 }));
  });
});

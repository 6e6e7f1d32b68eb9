import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { readEndOfText } from '../../../operators/queries/endOfText.ts';

const path = await mkdtemp(join(tmpdir(), 'headwater-end-'));
afterAll(() => rm(path, { recursive: true }));

async function read(own: unknown, generation?: unknown): Promise<number[]> {
  const file = join(path, 'generation_config.json');
  if (generation === undefined) await rm(file, { force: true });
  else await writeFile(file, typeof generation === 'string' ? generation : JSON.stringify(generation));
  return readEndOfText({ path, config: { eos_token_id: own } } as unknown as ModelFolder);
}

describe('readEndOfText', () => {
  it('takes one token or several from generation_config.json, or from config.json where that names none', async () => {
    expect(await read(2, { eos_token_id: [7, 9] })).toEqual([7, 9]);
    expect(await read(2, { eos_token_id: 0 })).toEqual([0]);
    expect(await read(2, { eos_token_id: null })).toEqual([2]);
    expect(await read([2, 3], {})).toEqual([2, 3]);
    expect(await read(2)).toEqual([2]);
    expect(await read(undefined)).toEqual([]);
  });

  it('refuses what is no token id, naming the file', async () => {
    await expect(read(2, { eos_token_id: '</s>' })).rejects.toThrow(
      /generation_config\.json: expected eos_token_id to be a token id or a list of them, found "<\/s>"/,
    );
    await expect(read([1, -1])).rejects.toThrow(/\/config\.json: expected eos_token_id .* found \[1,-1\]/);
    await expect(read(2, '{"eos')).rejects.toThrow(
      /generation_config\.json could not be read: .*Mend it, or delete it/,
    );
  });
});

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DamagedFile } from '../../../operators/files/damagedFile.ts';
import {
  type CompletionFingerprint,
  completionCachePath,
  fingerprintPrompts,
  openCompletionCache,
  writeCompletionCache,
} from '../../../operators/queries/completionCache.ts';
import { IntegrityError } from '../../../schemas/errors.ts';

const scratch = await mkdtemp(join(tmpdir(), 'headwater-completions-'));
afterAll(() => rm(scratch, { recursive: true }));

const wanted: CompletionFingerprint = {
  version: 1,
  model: 'aa',
  tokenizer: 'bb',
  chatTemplate: false,
  maxNewTokens: 8,
  contextTokens: 64,
  endOfText: [1],
  prompts: 'cc',
};
const completions = [
  { id: 'a', ids: [5, 6], cut: false, text: ' "Oslo".\n' },
  { id: 'b', ids: [], cut: false, text: '' },
  { id: '日本', ids: [7], cut: true, text: '\u2028' },
];

async function written(): Promise<string> {
  const path = completionCachePath(scratch, wanted);
  await writeCompletionCache(path, wanted, completions);
  return path;
}

describe('the completion cache', () => {
  it('comes back as it was written, one completion a line', async () => {
    const path = await written();
    expect(await openCompletionCache(path, wanted)).toEqual(completions);
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(completions.length + 5);
  });

  it('is refused with the keys that differ where it was made for something else', async () => {
    const path = await written();
    const other = { ...wanted, model: 'dd', endOfText: [1, 2] };
    await expect(openCompletionCache(path, other)).rejects.toThrow(IntegrityError);
    await expect(openCompletionCache(path, other)).rejects.toThrow(
      /made for something else: model \(expected "dd", found "aa"\), endOfText \(expected \[1,2\], found \[1\]\)\. Delete it/,
    );
  });

  it('is damaged where it was cut short, was changed or is missing', async () => {
    const path = await written();
    const whole = await readFile(path, 'utf8');
    for (const text of ['', 'null', whole.slice(0, -9), whole.replace('"cut":true', '"cut":1')]) {
      await writeFile(path, text);
      await expect(openCompletionCache(path, wanted)).rejects.toThrow(DamagedFile);
    }
    await rm(path);
    await expect(openCompletionCache(path, wanted)).rejects.toMatchObject({ missing: true });
  });

  it('is damaged where a completion lacks a field', async () => {
    const path = await written();
    for (const lacking of [{ cut: 1 }, { ids: [5.5] }, { id: undefined }]) {
      await writeCompletionCache(path, wanted, [{ ...completions[0], ...lacking } as never]);
      await expect(openCompletionCache(path, wanted)).rejects.toThrow('a completion lacks id, ids, text or cut');
    }
  });

  it('has another name for every setting that changes a token, and not for a task', () => {
    const query = { id: 'q', prompt: 'p', completion: '', task: 't', answers: [], steps: [] };
    expect(fingerprintPrompts([query])).toBe(fingerprintPrompts([{ ...query, task: 'u' } as typeof query]));
    expect(fingerprintPrompts([query])).not.toBe(fingerprintPrompts([{ ...query, prompt: 'o' }]));
    expect(completionCachePath(scratch, wanted)).not.toBe(completionCachePath(scratch, { ...wanted, maxNewTokens: 9 }));
  });
});

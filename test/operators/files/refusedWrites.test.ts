/** What a full disk, missing rights or too many open files make of each step of writing and reading a file. */
import { readFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readHashed, writeHashed } from '../../../operators/files/hashedFile.ts';
import { sealOf, writeSealed } from '../../../operators/files/sealedFile.ts';
import { makeFolder, writeLines } from '../../../operators/files/wholeFile.ts';
import { ResourceError } from '../../../schemas/errors.ts';

type Files = typeof import('node:fs/promises');

/** Which step fails, counted from 0, and as what; how many there were. */
const fault = { at: Number.POSITIVE_INFINITY, code: '', steps: 0 };

vi.mock('node:fs/promises', async (original) => {
  const files = await original<Files>();
  /** The call itself, or the fault where its turn has come. */
  const step =
    <Args extends unknown[], Result>(name: string, call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (fault.steps++ !== fault.at) return call(...args);
      throw Object.assign(new Error(`${fault.code}: refused, ${name}`), { code: fault.code });
    };
  const open = async (...args: Parameters<Files['open']>): Promise<FileHandle> => {
    const handle = await step('open', files.open)(...args);
    for (const name of ['appendFile', 'sync', 'read', 'stat'] as const)
      Object.defineProperty(handle, name, { value: step(name, (handle[name] as () => Promise<unknown>).bind(handle)) });
    return handle;
  };
  const readFile = step('open', files.readFile as (path: string) => Promise<Buffer>);
  return { ...files, open, readFile, rename: step('rename', files.rename), mkdir: step('mkdir', files.mkdir) };
});

let folder: string;
let path: string;
beforeEach(async () => {
  fault.at = Number.POSITIVE_INFINITY;
  folder = await mkdtemp(join(tmpdir(), 'headwater-refused-'));
  path = join(folder, 'file');
  await writeFile(path, 'older');
});
afterEach(() => rm(folder, { recursive: true }));

/** How many steps `work` takes. */
async function stepsOf(work: () => Promise<unknown>): Promise<number> {
  fault.steps = 0;
  await work();
  return fault.steps;
}

const writes: Record<string, () => Promise<void>> = {
  'a sealed file': () => writeSealed(path, [Buffer.from('a'), Buffer.from('b')]),
  'a hashed file': () => writeHashed(path, [Buffer.from('a'), Buffer.from('b')]),
  'a file of lines': () => writeLines(path, ['a', 'b']),
};

describe.each(Object.entries(writes))('writing %s', (_, write) => {
  it.each(['ENOSPC', 'EACCES', 'EMFILE', 'EIO', 'EDQUOT', 'EROFS'])(
    'ends in exit 6 with the path at whichever step %s comes, and leaves the older file or the new one',
    async (code) => {
      const steps = await stepsOf(write);
      expect(steps).toBeGreaterThanOrEqual(6);
      const newer = readFileSync(path);
      for (fault.at = 0, fault.code = code; fault.at < steps; fault.at++) {
        await writeFile(path, 'older');
        fault.steps = 0;
        const error = await write().then(
          () => null,
          (reason: unknown) => reason,
        );
        const flushOfFolder = fault.at >= steps - 2;
        // A folder that may not be opened cannot be flushed either, on some systems: that is no reason to end.
        if (error === null) expect([flushOfFolder, code]).toEqual([true, 'EACCES']);
        else {
          expect(error).toBeInstanceOf(ResourceError);
          expect(error).toMatchObject({
            exitCode: 6,
            message: expect.stringContaining(`cannot write ${path}: ${code}`),
          });
        }
        expect(readFileSync(path)).toEqual(flushOfFolder ? newer : Buffer.from('older'));
        expect(await readdir(folder)).toEqual(['file']);
      }
    },
  );
});

describe('reading', () => {
  it.each([
    ['a sealed file', writes['a sealed file'], () => sealOf(path)],
    ['a hashed file', writes['a hashed file'], () => readHashed(path)],
  ] as const)('%s that may not be opened ends in exit 6, and is not taken for damaged', async (_, write, read) => {
    await write();
    fault.at = 0;
    for (const code of ['EMFILE', 'EACCES']) {
      fault.steps = 0;
      fault.code = code;
      const failure = await read().catch((reason: unknown) => reason);
      expect(failure).toBeInstanceOf(ResourceError);
      expect(failure).toMatchObject({ message: expect.stringContaining(`cannot read ${path}: ${code}`) });
    }
  });
});

describe('making a folder', () => {
  it('ends in exit 6 with its path where it is refused', async () => {
    Object.assign(fault, { at: 0, code: 'EROFS', steps: 0 });
    await expect(makeFolder(path)).rejects.toThrow(`cannot write ${path}: EROFS: refused, mkdir`);
    fault.steps = 0;
    await expect(makeFolder(path)).rejects.toBeInstanceOf(ResourceError);
  });

  it('ends so where a file stands in its place', async () => {
    await expect(makeFolder(join(path, 'inside'))).rejects.toThrow(/cannot write .*inside: ENOTDIR/);
  });
});

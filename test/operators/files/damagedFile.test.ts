/** What is said of files that are made again. */
import { afterEach, expect, test, vi } from 'vitest';
import { DamagedFile, orMadeAgain, tellNotices, unreadable } from '../../../operators/files/damagedFile.ts';
import { IntegrityError, ResourceError } from '../../../schemas/errors.ts';

afterEach(() => vi.restoreAllMocks());

const failing = (error: unknown) => () => Promise.reject(error);
const coded = (code: string) => Object.assign(new Error(`${code}: told by the system`), { code });

test('a damaged file is said with its path and reason, a missing one is not', async () => {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  expect(await orMadeAgain(async () => 7, say)).toBe(7);
  expect(await orMadeAgain(failing(new DamagedFile('a/b', 'it is missing', coded('ENOENT'))), say)).toBe(null);
  expect(lines).toEqual([]);
  expect(await orMadeAgain(failing(new DamagedFile('a/b', 'half of it is gone')), say)).toBe(null);
  expect(lines).toEqual(['cache: a/b cannot be used and is made again: half of it is gone']);
});

test('what is no damage goes on to be thrown', async () => {
  for (const error of [new IntegrityError('another'), new TypeError('ours')])
    await expect(orMadeAgain(failing(error), expect.fail)).rejects.toBe(error);
});

test('where nobody listens, it is said on standard error', async () => {
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await orMadeAgain(failing(new DamagedFile('a/b', 'half of it is gone')));
  expect(write).toHaveBeenCalledExactlyOnceWith('cache: a/b cannot be used and is made again: half of it is gone\n');
  const lines: string[] = [];
  tellNotices((line) => lines.push(line));
  await orMadeAgain(failing(new DamagedFile('c', 'it is empty')));
  expect(lines).toEqual(['cache: c cannot be used and is made again: it is empty']);
  expect(write).toHaveBeenCalledOnce();
});

test('a file that may not be read is not damaged', () => {
  for (const code of ['EMFILE', 'ENFILE', 'EACCES', 'EPERM', 'ENOMEM'])
    expect(() => unreadable('a/b', coded(code))).toThrow(new RegExp(`^cannot read a/b: ${code}: .*ulimit`));
  expect(() => unreadable('a/b', coded('EMFILE'))).toThrow(ResourceError);
  for (const code of ['EIO', 'EISDIR']) expect(() => unreadable('a/b', coded(code))).toThrow(DamagedFile);
  for (const code of ['ENOENT', 'ENOTDIR']) expect(() => unreadable('a/b', coded(code))).toThrow('a/b: it is missing');
});

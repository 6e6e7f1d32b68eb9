import { describe, expect, it } from 'vitest';
import { failureOf } from '../../../pipeline/terminal/failure.ts';
import { InputError, IntegrityError, ResourceError, UsageError } from '../../../schemas/errors.ts';

const systemError = (code: string, path?: string): Error =>
  Object.assign(new Error(`${code}: write`), path === undefined ? { code } : { code, path });

describe('failureOf', () => {
  it('gives an error of ours its message and its exit code', () => {
    const kinds = [UsageError, InputError, IntegrityError, ResourceError].map((Kind) => failureOf(new Kind('words')));
    expect(kinds.map(({ exitCode }) => exitCode)).toEqual([2, 3, 5, 6]);
    expect(kinds.map(({ text }) => text)).toEqual(Array(4).fill('error: words'));
  });

  it.each([
    ['ENOSPC', 'the disk is full: make room, or name another folder with --out'],
    ['EACCES', 'no permission: change it, or name another folder with --out'],
    ['EMFILE', 'too many open files: raise the limit with ulimit -n'],
  ])('ends with 6 at %s, naming the path and what to do', (code, advice) => {
    const { text, exitCode } = failureOf(systemError(code, '/data/top_documents.parquet'));
    expect(exitCode).toBe(6);
    expect(text).toContain(`error: /data/top_documents.parquet: ${advice}`);
    expect(text).toContain(`(${code})`);
  });

  it('finds the fault of the disk beneath another error', () => {
    const wrapped = new Error('cannot write the table', { cause: systemError('ENOSPC', '/data/x') });
    expect(failureOf(wrapped)).toMatchObject({
      exitCode: 6,
      text: expect.stringContaining('/data/x: the disk is full'),
    });
  });

  it('gives a worker without memory 6', () => {
    expect(failureOf(systemError('ERR_WORKER_OUT_OF_MEMORY'))).toMatchObject({
      exitCode: 6,
      text: expect.stringContaining('set fewer pool.workers'),
    });
  });

  it('gives anything else 1, with its stack and a request to report it', () => {
    const { text, exitCode } = failureOf(new TypeError('x is not a function'));
    expect(exitCode).toBe(1);
    expect(text).toMatch(/^error: TypeError: x is not a function\n {4}at /);
    expect(text).toContain('please report it');
    expect(failureOf('thrown text')).toMatchObject({
      exitCode: 1,
      text: expect.stringContaining('error: thrown text'),
    });
  });
});

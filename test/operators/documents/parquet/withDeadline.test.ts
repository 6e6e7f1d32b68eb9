import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { DeadlineError, waitsForDrive, withDeadline } from '../../../../operators/documents/parquet/withDeadline.ts';

describe('withDeadline', () => {
  it('gives what comes in time, and its errors', async () => {
    expect(await withDeadline(Promise.resolve(7), 60, 'counting')).toBe(7);
    await expect(withDeadline(Promise.reject(new Error('no')), 60, 'counting')).rejects.toThrow('no');
    expect(waitsForDrive()).toBe(false);
  });

  it('does not take the time for the drive’s in which the process was stopped or busy', async () => {
    const reading = withDeadline(readFile(import.meta.filename, 'utf8'), 0.05, 'reading it');
    for (const start = performance.now(); performance.now() - start < 200; );
    expect(await reading).toContain('withDeadline');
  });

  it('gives up what does not come, and knows until when it is still waited for', async () => {
    let answer = () => {};
    const work = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const waiting = withDeadline(work, 0.01, 'reading its bytes 0 to 4');
    await expect(waiting).rejects.toBeInstanceOf(DeadlineError);
    await expect(waiting).rejects.toThrow(
      'reading its bytes 0 to 4 took more than 0.01 s, the limit of corpus.readSeconds',
    );
    expect(waitsForDrive()).toBe(true);
    answer();
    await work;
    expect(waitsForDrive()).toBe(false);
  });
});

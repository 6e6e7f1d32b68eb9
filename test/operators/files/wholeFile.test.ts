import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openWholeFile, writeLines } from '../../../operators/files/wholeFile.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headwater-whole-'));
  path = join(folder, 'lines.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('openWholeFile', () => {
  test('shows the older file until the new one is whole', async () => {
    writeFileSync(path, 'older');
    const file = await openWholeFile(path);
    await file.write('newer');
    expect(readFileSync(path, 'utf8')).toBe('older');
    await file.commit();
    expect(readFileSync(path, 'utf8')).toBe('newer');
    expect(readdirSync(folder)).toEqual(['lines.jsonl']);
  });

  test('writes in the order of the calls, awaited or not', async () => {
    const file = await openWholeFile(path);
    for (let i = 0; i < 100; ++i) file.write(`${i} `);
    await file.commit();
    expect(readFileSync(path, 'utf8')).toBe(`${Array.from({ length: 100 }, (_, i) => i).join(' ')} `);
  });

  test('leaves nothing behind when it is abandoned', async () => {
    const file = await openWholeFile(path);
    await file.write('half');
    await file.abandon();
    await file.abandon();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('starts anew over what a killed run left', async () => {
    writeFileSync(`${path}.partial`, 'what a killed run left');
    await writeLines(path, ['a', 'b']);
    expect(readFileSync(path, 'utf8')).toBe('a\nb\n');
  });

  test('leaves nothing behind when the lines end in an error', async () => {
    function* lines() {
      yield 'a';
      throw new Error('no more');
    }
    await expect(writeLines(path, lines())).rejects.toThrow('no more');
    expect(readdirSync(folder)).toEqual([]);
  });
});

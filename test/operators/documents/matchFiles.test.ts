import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { matchFiles } from '../../../operators/documents/matchFiles.ts';
import { messageOf, tempFolder } from './corpora.ts';

function folderWith(...names: string[]): string {
  const folder = tempFolder();
  for (const name of names) {
    mkdirSync(path.join(folder, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(folder, name), '');
  }
  return folder;
}

describe('matchFiles', () => {
  it('takes files, folders and globs, sorted by code unit, each file once', async () => {
    const folder = folderWith(
      'b.parquet',
      'deep/er/z.parquet',
      'deep/a.parquet',
      'deep/notes.txt',
      'Z.parquet',
      'x.pq',
    );
    expect(await matchFiles(['x.pq', 'deep', '*.parquet', 'deep/**/*.parquet', './b.parquet'], folder, 60)).toEqual([
      'Z.parquet',
      'b.parquet',
      'deep/a.parquet',
      'deep/er/z.parquet',
      'x.pq',
    ]);
  });

  it('takes files out of folders and globs with !', async () => {
    const folder = folderWith('a.parquet', 'b.parquet', 'sub/c.parquet', 'sub/d.parquet');
    expect(await matchFiles(['*.parquet', 'sub', '!b.parquet', '!sub/d*'], folder, 60)).toEqual([
      'a.parquet',
      'sub/c.parquet',
    ]);
  });

  it('takes a name that exists as it stands, even where it reads as a glob', async () => {
    const folder = folderWith('part[1].parquet', 'part1.parquet');
    expect(await matchFiles(['part[1].parquet'], folder, 60)).toEqual(['part[1].parquet']);
  });

  it('gives the absolute path of a file outside the base folder', async () => {
    const folder = folderWith('inside/a.parquet', 'b.parquet');
    expect(await matchFiles(['../b.parquet'], path.join(folder, 'inside'), 60)).toEqual([
      path.join(folder, 'b.parquet'),
    ]);
  });

  it('names the patterns and the base folder where no files match', async () => {
    const folder = folderWith('notes.txt');
    expect(await messageOf(matchFiles(['data/**/*.parquet', 'more'], folder, 60))).toBe(
      `InputError: openCorpus expected Parquet files for corpus.files, got no files for "data/**/*.parquet", "more" under ${folder}; ` +
        'relative paths start at the configuration file, a folder stands for the .parquet files below it',
    );
    expect(await messageOf(matchFiles([], folder, 60))).toContain('got no files for an empty list');
  });

  it('refuses a pattern that matches nothing although others match', async () => {
    const folder = folderWith('a.parquet');
    expect(await messageOf(matchFiles(['a.parquet', 'b.parquet'], folder, 60))).toContain(
      'got no files for "b.parquet" under',
    );
  });
});

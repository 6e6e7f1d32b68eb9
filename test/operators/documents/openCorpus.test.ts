import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { InputError } from '../../../schemas/errors.ts';
import { craft, FIXTURES, fixture, messageOf, settings, tempFolder } from './corpora.ts';

const ALL_COLUMNS = { idColumn: 'id', sourceColumn: 'source' };

describe('openCorpus', () => {
  it('numbers the rows of all files in sorted order', async () => {
    const corpus = await openCorpus(
      settings(['zstd.parquet', 'none.parquet', 'no-rows.parquet', 'one-row.parquet']),
      FIXTURES,
    );
    expect(corpus.files.map(({ path, rows, rowStart }) => [path, rows, rowStart])).toEqual([
      ['no-rows.parquet', 0, 0],
      ['none.parquet', 300, 0],
      ['one-row.parquet', 1, 300],
      ['zstd.parquet', 300, 301],
    ]);
    expect(corpus.rows).toBe(601);
    expect(corpus.badFiles).toEqual([]);
  });

  it('is plain data', async () => {
    const corpus = await openCorpus(settings('none.parquet'), FIXTURES);
    expect(structuredClone(corpus)).toEqual(JSON.parse(JSON.stringify(corpus)));
    expect(corpus.files[0]).toMatchObject({
      bytes: fixture('none').length,
      footerHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('names documents by base name, by path where two base names are the same', async () => {
    const folder = tempFolder({ 'a.parquet': fixture('one-row') });
    mkdirSync(path.join(folder, 'sub'));
    cpSync(path.join(folder, 'a.parquet'), path.join(folder, 'sub/b.parquet'));
    expect((await openCorpus(settings('.'), folder)).files.map(({ name }) => name)).toEqual(['a.parquet', 'b.parquet']);
    cpSync(path.join(folder, 'a.parquet'), path.join(folder, 'sub/a.parquet'));
    expect((await openCorpus(settings('.'), folder)).files.map(({ name }) => name)).toEqual([
      'a.parquet',
      'sub/a.parquet',
      'sub/b.parquet',
    ]);
  });

  it('names every bad file with its reason, and how to go on without them', async () => {
    const folder = tempFolder({
      'cut.parquet': fixture('none').subarray(0, 9000),
      'empty.parquet': Buffer.alloc(0),
      'good.parquet': fixture('none'),
      'notes.parquet': Buffer.from('these are just notes'),
    });
    const message = await messageOf(openCorpus(settings('*.parquet'), folder));
    expect(message).toBe(
      'InputError: openCorpus expected 4 readable Parquet files, got 3 it cannot read; mend or remove them, or set corpus.onBadFile: skip\n' +
        '  cut.parquet: it begins as Parquet but at byte 8996 does not end as Parquet: it was cut short\n' +
        '  empty.parquet: it is empty (0 bytes)\n' +
        '  notes.parquet: it is not Parquet: its first bytes are "thes", not "PAR1"',
    );
    await expect(openCorpus(settings('*.parquet'), folder)).rejects.toBeInstanceOf(InputError);
  });

  it('counts bad files and goes on where it may', async () => {
    const folder = tempFolder({
      'a.parquet': Buffer.alloc(0),
      'b.parquet': fixture('one-row'),
      'c.parquet': fixture('content'),
    });
    const corpus = await openCorpus(settings('*.parquet', { onBadFile: 'skip' }), folder);
    expect(corpus.files.map(({ path }) => path)).toEqual(['b.parquet']);
    expect(corpus.badFiles).toEqual([
      { path: 'a.parquet', reason: 'it is empty (0 bytes)' },
      { path: 'c.parquet', reason: expect.stringContaining('corpus.textColumn "text" is not among its columns') },
    ]);
  });

  it('fails where every file is bad, even where it may go on', async () => {
    const folder = tempFolder({ 'c.parquet': fixture('content') });
    expect(await messageOf(openCorpus(settings('*.parquet', { onBadFile: 'skip' }), folder))).toBe(
      'InputError: openCorpus expected 1 readable Parquet files, got 1 it cannot read\n' +
        '  c.parquet: corpus.textColumn "text" is not among its columns: id (int64), source (string), content (string); ' +
        'the nearest name is "content"',
    );
  });

  it('names five bad files and counts the rest', async () => {
    const folder = tempFolder(
      Object.fromEntries(Array.from('abcdefgh', (letter) => [`${letter}.parquet`, Buffer.alloc(0)])),
    );
    expect(await messageOf(openCorpus(settings('.'), folder))).toMatch(
      /e\.parquet: it is empty \(0 bytes\)\n {2}and 3 more$/,
    );
  });

  it.each([
    ['a missing column', 'content', 'the nearest name is "content"'],
    ['a list of texts', 'text-list', 'must hold strings, it is a list'],
    ['an encrypted footer', 'encrypted', 'its footer is encrypted; decrypt it first'],
    ['an encrypted column', 'encrypted-column', 'column "text" is encrypted; decrypt it first'],
  ])('finds %s in any file before anything is computed', async (_, name, message) => {
    expect(await messageOf(openCorpus(settings(['none.parquet', `${name}.parquet`]), FIXTURES))).toContain(message);
  });

  it('finds an unsupported codec before anything is computed', async () => {
    const folder = tempFolder({ 'a.parquet': craft({ chunk: { codec: 3 } }) });
    expect(await messageOf(openCorpus(settings('.'), folder))).toContain(
      'column "text" is compressed with LZO; this reader knows',
    );
  });

  it('refuses ids that are strings in one file and integers in another, nulls aside', async () => {
    const files = ['id-string.parquet', 'none.parquet', 'nulls.parquet'];
    expect(await messageOf(openCorpus(settings(files, ALL_COLUMNS), FIXTURES))).toContain(
      'none.parquet: corpus.idColumn "id" is INT64 here, BYTE_ARRAY in id-string.parquet',
    );
    expect((await openCorpus(settings(files.slice(1), ALL_COLUMNS), FIXTURES)).rows).toBe(305);
  });
});

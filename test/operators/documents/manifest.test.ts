import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readManifest } from '../../../operators/documents/manifest.ts';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { readDocuments } from '../../../operators/documents/readDocuments.ts';
import { InputError } from '../../../schemas/errors.ts';
import { fixture, fixtureText, MANY, messageOf, READ_SECONDS, readAll, settings, tempFolder } from './corpora.ts';

const ZEROS = '0'.repeat(64);

const listed = (folder: string, ...more: string[]): string =>
  execFileSync('sha256sum', [...more], { cwd: folder, encoding: 'utf8' });

async function read(text: string): Promise<Map<string, string>> {
  const folder = tempFolder({ SHA256SUMS: Buffer.from(text) });
  const manifest = await readManifest(path.join(folder, 'SHA256SUMS'), READ_SECONDS);
  return new Map([...manifest].map(([name, digest]) => [path.relative(folder, name), digest]));
}

describe('readManifest', () => {
  it('reads what sha256sum prints, whatever the names of the files', async () => {
    const names = ['a.parquet', 'two words', '*star', '\\back', 'new\nline', '__proto__', 'Größe'];
    const folder = tempFolder(Object.fromEntries(names.map((name) => [name, Buffer.from(name)])));
    for (const mark of ['--text', '--binary'])
      expect([...(await read(listed(folder, mark, '--', ...names))).keys()].sort()).toEqual([...names].sort());
  });

  it('takes upper case, Windows line ends and empty lines', async () => {
    expect(await read(`\r\n${'AB'.repeat(32)} *a.parquet\r\n\r\n`)).toEqual(new Map([['a.parquet', 'ab'.repeat(32)]]));
  });

  it.each([
    [
      'another format',
      `SHA256 (a) = ${ZEROS}`,
      /^InputError: line 1 of the manifest .* is expected as sha256sum prints it/,
    ],
    ['a digest of another length', `${'0'.repeat(40)}  a`, /got "0{40} {2}a"$/],
    [
      'two digests of one file',
      `${ZEROS}  a\n${'1'.repeat(64)}  ./a\n`,
      /^InputError: line 2 of .* gives \.\/a the SHA-256 1+, a line before it 0+/,
    ],
  ])('refuses %s', async (_, text, message) => {
    expect(await messageOf(read(text))).toMatch(message);
  });

  it('says so where there is none', async () => {
    expect(await messageOf(readManifest('/nowhere/SHA256SUMS', READ_SECONDS))).toMatch(
      /^InputError: corpus\.manifest \/nowhere\/SHA256SUMS cannot be read: ENOENT/,
    );
  });
});

describe('a corpus with a manifest', () => {
  /** Files without checksums of pages; the second has a letter changed after the manifest was made. */
  function damagedFolder(): string {
    const folder = tempFolder({ 'a.parquet': fixture('one-row'), 'b.parquet': fixture('none') });
    const manifest = listed(folder, 'a.parquet', 'b.parquet');
    writeFileSync(path.join(folder, 'SHA256SUMS'), manifest);
    const bytes = Buffer.from(fixture('none'));
    bytes.write('Dokument', bytes.indexOf('Document 7:'));
    writeFileSync(path.join(folder, 'b.parquet'), bytes);
    return folder;
  }
  const withManifest = settings('*.parquet', { manifest: 'SHA256SUMS' });

  it('reads a letter that was changed as it stands without one', async () => {
    const [slice] = await readAll(settings('*.parquet'), { folder: damagedFolder() });
    expect(slice.text[8]).toMatch(/^Dokument 7:/);
  });

  it('fails at a file that is not the one listed, with both digests', async () => {
    const reading = readAll(withManifest, { folder: damagedFolder() });
    await expect(reading).rejects.toBeInstanceOf(InputError);
    expect(await messageOf(reading)).toMatch(
      /rows 0 to 299 of b\.parquet: the corpus file b\.parquet is not the one that corpus\.manifest lists: its SHA-256 is [0-9a-f]{64}, the manifest says [0-9a-f]{64}; fetch the file again/,
    );
  });

  it('loses the file where it may, before its first row', async () => {
    const [slice, ...more] = await readAll({ ...withManifest, onBadFile: 'skip' }, { folder: damagedFolder() });
    expect(more).toEqual([]);
    expect(slice.text).toEqual([fixtureText(0)]);
    expect(slice.lost).toMatchObject([{ path: 'b.parquet', rowStart: 0, rowEnd: 300 }]);
  });

  it('reads files that are as listed, from a manifest in another folder', async () => {
    const folder = tempFolder();
    mkdirSync(path.join(folder, 'data'));
    writeFileSync(path.join(folder, 'data/a.parquet'), fixture('none'));
    writeFileSync(path.join(folder, 'data/SHA256SUMS'), listed(path.join(folder, 'data'), 'a.parquet'));
    const [slice] = await readAll(settings('data', { manifest: 'data/SHA256SUMS' }), { folder });
    expect(slice.text).toHaveLength(300);
  });

  it('refuses a corpus of which a file is not listed, by name', async () => {
    const folder = damagedFolder();
    writeFileSync(path.join(folder, 'c.parquet'), fixture('none'));
    expect(await messageOf(openCorpus({ ...withManifest, onBadFile: 'skip' }, folder))).toMatch(
      /^InputError: openCorpus expected the manifest .*SHA256SUMS to list every file of the corpus, got none for c\.parquet; add them with sha256sum, or take them out of corpus\.files$/,
    );
  });

  it('hashes a file when its turn comes and not before, and once', async () => {
    const folder = tempFolder({ 'a.parquet': fixture('one-row'), 'b.parquet': fixture('none') });
    writeFileSync(path.join(folder, 'SHA256SUMS'), listed(folder, 'a.parquet', 'b.parquet'));
    const corpus = await openCorpus(withManifest, folder);
    const reading = readDocuments(corpus, withManifest, { ...MANY, documents: 1 }, 512);
    expect((await reading.next()).value).toMatchObject({ text: [fixtureText(0)] });
    renameSync(path.join(folder, 'b.parquet'), path.join(folder, 'gone'));
    await expect(reading.next()).rejects.toThrow('cannot read rows 0 to 299 of b.parquet');
    renameSync(path.join(folder, 'gone'), path.join(folder, 'b.parquet'));
    corpus.files[0].sha256 = ZEROS; // hashed before: the digest is known without reading
    await expect(readDocuments(corpus, withManifest, MANY, 512).next()).rejects.toThrow(`the manifest says ${ZEROS}`);
  });
});

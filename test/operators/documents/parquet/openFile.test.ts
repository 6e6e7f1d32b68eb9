import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { expectUnchanged } from '../../../../operators/documents/expectUnchanged.ts';
import { type CorpusSettings, openCorpus } from '../../../../operators/documents/openCorpus.ts';
import { openFile } from '../../../../operators/documents/parquet/openFile.ts';
import { DeadlineError } from '../../../../operators/documents/parquet/withDeadline.ts';
import { readDocuments } from '../../../../operators/documents/readDocuments.ts';
import { fixture, fixtureText, MANY, messageOf, settings, tempFolder } from '../corpora.ts';

vi.mock('node:fs/promises', async (original) => ({ ...(await original<typeof fs>()) }));

afterEach(() => vi.restoreAllMocks());

const forever = new Promise<never>(() => {});

/** A drive that stops answering: `open` of every path that ends so, or reads of it, once `after` reads were answered. */
function stopAnswering(name: string, what: 'open' | 'read', after = 0): void {
  const { open } = fs;
  let reads = 0;
  vi.spyOn(fs, 'open').mockImplementation(async (file, flags) => {
    if (!String(file).endsWith(name)) return open(file, flags);
    if (what === 'open') return forever;
    const handle = await open(file, flags);
    const read = handle.read.bind(handle) as (...all: unknown[]) => Promise<never>;
    handle.read = ((...all: unknown[]) => (reads++ < after ? read(...all) : forever)) as typeof handle.read;
    return handle;
  });
}

const impatient = (more: Partial<CorpusSettings> = {}) => settings('*.parquet', { readSeconds: 0.05, ...more });

async function textsAndLost(chosen: CorpusSettings, folder: string) {
  const corpus = await openCorpus(chosen, folder);
  const slices = [];
  for await (const slice of readDocuments(corpus, chosen, MANY, 512)) slices.push(slice);
  return { texts: slices.flatMap(({ text }) => text), lost: slices.flatMap(({ lost }) => lost) };
}

describe('openFile', () => {
  it('reads any part of a file, and says where the file ends', async () => {
    const folder = tempFolder({ 'a.parquet': Buffer.from('0123456789') });
    const file = await openFile(path.join(folder, 'a.parquet'), 60);
    expect(file.bytes).toBe(10);
    expect(Buffer.from(await file.read(3, 6)).toString()).toBe('345');
    await expect(file.read(8, 12)).rejects.toThrow('the file ends at byte 10, before byte 12');
    await file.close();
  });

  it('refuses a folder, and a pipe at once although nobody writes to it', async () => {
    const folder = tempFolder();
    execFileSync('mkfifo', [path.join(folder, 'pipe.parquet')]);
    const refusal = 'it is a folder, a pipe, a socket or a device, not a regular file';
    for (const name of ['pipe.parquet', '.'])
      await expect(openFile(path.join(folder, name), 60)).rejects.toThrow(refusal);
    expect(await messageOf(openCorpus(settings('pipe.parquet'), folder))).toContain(`pipe.parquet: ${refusal}`);
  });

  it.each(['open', 'read'] as const)('gives up a file whose drive no longer answers: %s', async (what) => {
    const folder = tempFolder({ 'a.parquet': fixture('one-row') });
    stopAnswering('a.parquet', what);
    const opening = openFile(path.join(folder, 'a.parquet'), 0.05).then(async (file) => {
      try {
        return await file.read(0, 4);
      } finally {
        await file.close();
      }
    });
    await expect(opening).rejects.toBeInstanceOf(DeadlineError);
    await expect(opening).rejects.toThrow(
      /^(opening it|reading its bytes 0 to 4) took more than 0\.05 s, the limit of corpus\.readSeconds$/,
    );
  });
});

describe('a corpus on a drive that no longer answers', () => {
  const files = { 'a.parquet': fixture('none'), 'b.parquet': fixture('one-row') };

  it('is refused when it is opened, or read without the file', async () => {
    const folder = tempFolder(files);
    stopAnswering('a.parquet', 'open');
    expect(await messageOf(openCorpus(impatient(), folder))).toMatch(
      /^InputError: .*\n {2}a\.parquet: opening it took more than 0\.05 s, the limit of corpus\.readSeconds$/,
    );
    expect((await openCorpus(impatient({ onBadFile: 'skip' }), folder)).badFiles).toMatchObject([
      { path: 'a.parquet' },
    ]);
  });

  it('loses the rest of the file in one deadline, not a deadline a page', async () => {
    const folder = tempFolder(files);
    stopAnswering('a.parquet', 'read', 3); // the footer twice and the first row group
    const { texts, lost } = await textsAndLost(impatient({ onBadFile: 'skip' }), folder);
    expect(texts).toEqual([...Array.from({ length: 100 }, (_, i) => fixtureText(i)), fixtureText(0)]);
    expect(lost).toMatchObject([{ path: 'a.parquet', rowStart: 100, rowEnd: 300 }]);
    expect(lost[0].reason).toMatch(/page at byte \d+: reading its bytes \d+ to \d+ took more than 0\.05 s/);
  });

  it('ends the run under fail, with the rows and the limit', async () => {
    const folder = tempFolder(files);
    stopAnswering('a.parquet', 'read', 2);
    expect(await messageOf(textsAndLost(impatient(), folder))).toMatch(
      /^InputError: readDocuments cannot read rows 0 to 299 of a\.parquet: .* took more than 0\.05 s, the limit of corpus\.readSeconds; fetch the file again/,
    );
  });

  it('is not waited for when it is looked at again', async () => {
    const folder = tempFolder(files);
    const corpus = await openCorpus(impatient(), folder);
    vi.spyOn(fs, 'stat').mockReturnValue(forever);
    expect(await messageOf(expectUnchanged(corpus, 0.05))).toMatch(
      /^InputError: the corpus file a\.parquet could be read when the run began, and cannot be looked at now: looking at it took more than 0\.05 s/,
    );
  });
});

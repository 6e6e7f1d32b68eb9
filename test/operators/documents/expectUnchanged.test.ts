import { appendFileSync, linkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectUnchanged } from '../../../operators/documents/expectUnchanged.ts';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { IntegrityError } from '../../../schemas/errors.ts';
import { fixture, messageOf, settings, tempFolder } from './corpora.ts';

describe('expectUnchanged', () => {
  it.each([
    ['grown', (file: string) => appendFileSync(file, 'x'), /it has \d+ bytes, it had \d+/],
    [
      'touched',
      (file: string) => utimesSync(file, 1e9, 1e9),
      /it was written at 2001-09-09T01:46:40.000Z, before that at 2/,
    ],
    ['removed', (file: string) => rmSync(file), /it is gone/],
    ['replaced', (file: string) => writeFileSync(file, fixture('none')), /it was written at|it has/],
  ])('names a file that was %s, with exit code 5', async (_, change, what) => {
    const folder = tempFolder({ 'a.parquet': fixture('one-row'), 'b.parquet': fixture('one-row') });
    utimesSync(path.join(folder, 'b.parquet'), 1.7e9, 1.7e9);
    const corpus = await openCorpus(settings('.'), folder);
    await expectUnchanged(corpus);
    change(path.join(folder, 'b.parquet'));
    const looking = expectUnchanged(corpus);
    await expect(looking).rejects.toBeInstanceOf(IntegrityError);
    await expect(looking).rejects.toMatchObject({ exitCode: 5 });
    expect(await messageOf(looking)).toMatch(
      /^IntegrityError: the corpus file b\.parquet has changed since the run began \(.*\): scores before and after would be of different corpora; put it back or start a new run$/,
    );
    expect(await messageOf(looking)).toMatch(what);
  });

  it('says so where a file cannot be looked at', async () => {
    const folder = tempFolder({ 'a.parquet': fixture('one-row') });
    const corpus = await openCorpus(settings('.'), folder);
    corpus.files[0].path = `${'x'.repeat(300)}.parquet`;
    expect(await messageOf(expectUnchanged(corpus))).toMatch(
      /^InputError: the corpus file x+\.parquet could be read when the run began, and cannot be looked at now: ENAMETOOLONG/,
    );
  });

  it('looks at ten thousand files within seconds', async () => {
    const folder = tempFolder({ 'a.parquet': fixture('one-row') });
    const corpus = await openCorpus(settings('.'), folder);
    const [file] = corpus.files;
    for (let i = 0; i < 100; i++) linkSync(path.join(folder, 'a.parquet'), path.join(folder, `${i}.parquet`));
    const files = Array.from({ length: 10_000 }, (_, i) => ({ ...file, path: `${i % 100}.parquet` }));
    const start = performance.now();
    await expectUnchanged({ ...corpus, files });
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

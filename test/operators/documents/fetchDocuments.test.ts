import { appendFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fetchDocuments } from '../../../operators/documents/fetchDocuments.ts';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { IntegrityError } from '../../../schemas/errors.ts';
import { FIXTURES, fixture, messageOf, readAll, settings, tempFolder } from './corpora.ts';

const ALL = settings(['dictionary.parquet', 'small-pages.parquet', 'version2.parquet'], {
  idColumn: 'id',
  sourceColumn: 'source',
});

describe('fetchDocuments', () => {
  it('gives each chosen document as readDocuments gave it', async () => {
    const corpus = await openCorpus(ALL, FIXTURES);
    const [slice] = await readAll(ALL);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(899), { maxLength: 40 }), async (keys) => {
        const fetched = await fetchDocuments(corpus, ALL, keys);
        expect([...fetched.keys()]).toEqual([...new Set(keys)].sort((a, b) => a - b));
        for (const [key, document] of fetched)
          expect(document).toEqual({ id: slice.id[key], source: slice.source?.[key], text: slice.text[key] });
      }),
      { numRuns: 30 },
    );
  });

  it('takes keys as a Float64Array, and none at all', async () => {
    const corpus = await openCorpus(ALL, FIXTURES);
    expect([...(await fetchDocuments(corpus, ALL, Float64Array.of(700, 3))).keys()]).toEqual([3, 700]);
    expect((await fetchDocuments(corpus, ALL, [])).size).toBe(0);
  });

  it('replaces what is invalid as the run did, and leaves source null where none is configured', async () => {
    const chosen = settings('awkward-text.parquet', { invalidText: 'replace' });
    const fetched = await fetchDocuments(await openCorpus(chosen, FIXTURES), chosen, [4, 8]);
    expect(fetched.get(4)).toEqual({ id: 'awkward-text.parquet:4', source: null, text: 'broken \ufffd byte' });
    expect(fetched.get(8)?.text).toBe('after a byte-order mark');
  });

  it('refuses keys that are not rows of the corpus', async () => {
    const corpus = await openCorpus(ALL, FIXTURES);
    for (const stranger of [900, -1, 0.5, Number.NaN])
      expect(await messageOf(fetchDocuments(corpus, ALL, [1, stranger]))).toBe(
        `InputError: fetchDocuments expected keys from 0 to 899, the rows of the corpus, got ${stranger}`,
      );
  });

  it('names the file and the place it cannot read', async () => {
    const bytes = Buffer.from(fixture('small-pages'));
    bytes[bytes.indexOf('Document 123:')] ^= 1;
    const folder = tempFolder({ 'a.parquet': bytes });
    const corpus = await openCorpus(settings('.'), folder);
    expect((await fetchDocuments(corpus, settings('.'), [119, 130])).size).toBe(2);
    expect(await messageOf(fetchDocuments(corpus, settings('.'), [125]))).toMatch(
      /^InputError: fetchDocuments cannot read a\.parquet again: row group 0, column "text", page at byte \d+: its checksum \(CRC\)/,
    );
  });

  it('leaves out what it cannot read where it may, a page or a file', async () => {
    const bytes = Buffer.from(fixture('small-pages'));
    bytes[bytes.indexOf('Document 123:')] ^= 1;
    const folder = tempFolder({ 'a.parquet': bytes, 'b.parquet': fixture('none') });
    const lax = settings('.', { onBadFile: 'skip' });
    const corpus = await openCorpus(lax, folder);
    const keys = [119, 121, 125, 130, 300, 599];
    expect([...(await fetchDocuments(corpus, lax, keys)).keys()]).toEqual([119, 130, 300, 599]);
    rmSync(path.join(folder, 'a.parquet'));
    expect([...(await fetchDocuments(corpus, lax, keys)).keys()]).toEqual([300, 599]);
    appendFileSync(path.join(folder, 'b.parquet'), 'x');
    await expect(fetchDocuments(corpus, lax, keys)).rejects.toBeInstanceOf(IntegrityError);
  });
});

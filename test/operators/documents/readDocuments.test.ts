import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideRows } from '../../../operators/documents/divideRows.ts';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { type DocumentSlice, readDocuments, type SliceSize } from '../../../operators/documents/readDocuments.ts';
import { InputError, IntegrityError } from '../../../schemas/errors.ts';
import {
  FIXTURES,
  fixture,
  fixtureSource,
  fixtureText,
  MANY,
  messageOf,
  readAll,
  settings,
  tempFolder,
} from './corpora.ts';

const ALL_COLUMNS = { idColumn: 'id', sourceColumn: 'source' };
const ROWS = Array.from({ length: 300 }, (_, i) => i);
const THREE = ['snappy.parquet', 'small-pages.parquet', 'version2.parquet'];

/** What the slices hold, without where they end. */
function flat(slices: DocumentSlice[]) {
  return slices.flatMap(({ key, file, row, id, text, source }) =>
    text.map((_, b) => ({ key: key[b], file: file[b], row: row[b], id: id[b], text: text[b], source: source?.[b] })),
  );
}

describe('readDocuments', () => {
  it.each([
    'none',
    'snappy',
    'gzip',
    'brotli',
    'lz4',
    'zstd', // codecs
    'dictionary',
    'version2',
    'version2-plain',
    'delta-length',
    'delta-strings',
    'small-pages', // encodings
  ])('reads the same documents from %s.parquet', async (name) => {
    const [slice, ...more] = await readAll(settings(`${name}.parquet`, ALL_COLUMNS));
    expect(more).toEqual([]);
    expect(slice.text).toEqual(ROWS.map(fixtureText));
    expect(slice.id).toEqual(ROWS.map((i) => String(1000 + i)));
    expect(slice.source).toEqual(ROWS.map(fixtureSource));
    expect([...slice.row]).toEqual(ROWS);
  });

  it.each(['V1', 'V2'])('reads what DuckDB writes: %s', async (version) => {
    const file = path.join(tempFolder(), 'duck.parquet');
    const duck = await (await DuckDBInstance.create(':memory:')).connect();
    await duck.run(`COPY (SELECT CASE WHEN i % 7 = 3 THEN NULL ELSE 'text ' || (i % 5000) END AS text, i::INTEGER AS id
                          FROM range(9000) r(i)) TO '${file}' (FORMAT parquet, PARQUET_VERSION ${version}, COMPRESSION zstd, ROW_GROUP_SIZE 4096)`);
    duck.closeSync();
    const [slice] = await readAll(settings(file, { idColumn: 'id' }));
    const rows = Array.from({ length: 9000 }, (_, i) => i);
    expect(slice.text).toEqual(rows.filter((i) => i % 7 !== 3).map((i) => `text ${i % 5000}`));
    expect(slice.id).toEqual(rows.filter((i) => i % 7 !== 3).map(String));
    expect(slice.setAside.map(({ id, reason }) => [id, reason])).toEqual(
      rows.filter((i) => i % 7 === 3).map((i) => [String(i), 'null text']),
    );
  });

  it('keys documents by their row in the whole corpus, and names them by file and row', async () => {
    const [slice] = await readAll(settings(['one-row.parquet', 'one-page.parquet', 'no-rows.parquet']));
    expect([...slice.key]).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect([...slice.file]).toEqual([...new Array(20).fill(1), 2]);
    expect(slice.id.slice(18)).toEqual(['one-page.parquet:18', 'one-page.parquet:19', 'one-row.parquet:0']);
    expect(slice.source).toBeNull();
  });

  it.each([
    ['int32', ['-1', '2', 'ids.parquet:2', '4', '5']],
    ['uint32', ['4294967295', '2', '3', '4', '5']],
    ['uint64', ['18446744073709551615', '2', '3', '4', '5']],
  ])('writes %s ids as strings, file and row where one is null', async (idColumn, expected) => {
    const [slice] = await readAll(settings('ids.parquet', { idColumn }));
    expect(slice.id).toEqual(expected);
  });

  it('writes UUID ids with hyphens, and reads required columns', async () => {
    const [uuids] = await readAll(settings('ids.parquet', { idColumn: 'uuid' }));
    expect(uuids.id[1]).toBe('01020304-0506-0708-090a-0b0c0d0e0f10');
    const [required] = await readAll(settings('required.parquet', { idColumn: 'id' }));
    expect(required.text).toEqual(ROWS.slice(0, 5).map(fixtureText));
  });

  it('sets aside what is no text, each with its reason', async () => {
    const [slice] = await readAll(settings('awkward-text.parquet'));
    expect(slice.text).toEqual([
      'plain',
      'after a byte-order mark',
      'a replacement character \ufffd of its own',
      'astral 𝒳 and combining é',
    ]);
    expect(slice.setAside.map(({ row, reason, detail }) => [row, reason, detail])).toEqual([
      [1, 'null text', ''],
      [2, 'empty text', ''],
      [3, 'whitespace only', ''],
      [4, 'invalid text', 'not UTF-8 at byte 7'],
      [5, 'invalid text', 'not UTF-8 at byte 5'],
      [6, 'invalid text', 'not UTF-8 at byte 10'],
      [7, 'invalid text', 'NUL at byte 6'],
      [9, 'empty text', ''],
    ]);
    expect(slice.setAside[0]).toMatchObject({ key: 1, file: 0, id: 'awkward-text.parquet:1' });
    expect(slice.replaced).toBe(0);
  });

  it('replaces and counts invalid text where asked', async () => {
    const [slice] = await readAll(settings('awkward-text.parquet', { invalidText: 'replace' }));
    expect(slice.text.slice(1, 5)).toEqual([
      'broken \ufffd byte',
      'lone \ufffd\ufffd\ufffd surrogate',
      'cut short \ufffd',
      'a NUL \ufffd inside',
    ]);
    expect(slice.replaced).toBe(4);
    expect(slice.setAside.map(({ reason }) => reason)).toEqual([
      'null text',
      'empty text',
      'whitespace only',
      'empty text',
    ]);
  });

  it('sets aside every row of a column of nulls', async () => {
    const [slice] = await readAll(settings('nulls.parquet', ALL_COLUMNS));
    expect(slice.text).toEqual([]);
    expect(slice.setAside.map(({ id, reason }) => `${id} ${reason}`)).toEqual(
      [0, 1, 2, 3, 4].map((row) => `nulls.parquet:${row} null text`),
    );
    expect(slice.keyEnd).toBe(5);
  });

  it('yields nothing for a corpus of no rows', async () => {
    expect(await readAll(settings('no-rows.parquet'))).toEqual([]);
    expect(await readAll(settings('none.parquet', { limit: 0 }))).toEqual([]);
    expect(await readAll(settings('none.parquet', { skip: 300 }))).toEqual([]);
  });

  it('skips and limits rows of the whole corpus', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.option(fc.nat(1000), { nil: undefined }), async (skip, limit) => {
        const slices = await readAll(settings(THREE, { skip, limit }));
        const end = Math.min(900, skip + (limit ?? 900));
        expect(flat(slices).map(({ key }) => key)).toEqual(
          Array.from({ length: Math.max(0, end - skip) }, (_, i) => skip + i),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('reads the same documents in the same order whatever the size of a slice', async () => {
    const whole = flat(await readAll(settings(THREE, ALL_COLUMNS)));
    const size = fc.record({ documents: fc.integer({ min: 1, max: 400 }), tokens: fc.integer({ min: 1, max: 5000 }) });
    await fc.assert(
      fc.asyncProperty(size, fc.integer({ min: 1, max: 30 }), async (size, contextTokens) => {
        const slices = await readAll(settings(THREE, ALL_COLUMNS), { size, contextTokens });
        expect(flat(slices)).toEqual(whole);
        expect(slices.map(({ batch }) => batch)).toEqual(slices.map((_, batch) => batch));
      }),
      { numRuns: 15 },
    );
  });

  it('ends a slice with the document that fills it, by number or by estimated tokens', async () => {
    const byNumber = await readAll(settings('none.parquet'), { size: { documents: 7, tokens: 1e9 } });
    expect(byNumber.map(({ text }) => text.length)).toEqual([...new Array(42).fill(7), 6]);
    // the texts take 65 to 72 bytes: 17 or 18 tokens, 10 where windows end there
    const byTokens = await readAll(settings('none.parquet'), {
      size: { documents: 1e6, tokens: 30 },
      contextTokens: 10,
    });
    expect(new Set(byTokens.map(({ text }) => text.length))).toEqual(new Set([3]));
    expect((await readAll(settings('none.parquet'), { size: { documents: 1e6, tokens: 30 } }))[0].text.length).toBe(2);
  });

  it('goes on behind any slice as if it had never stopped', async () => {
    const size = { documents: 37, tokens: 1e9 };
    const more = { skip: 5, limit: 800, ...ALL_COLUMNS };
    const all = await readAll(settings(THREE, more), { size });
    for (const [s, { batch, keyEnd }] of all.entries())
      expect(await readAll(settings(THREE, more), { size, from: { batch: batch + 1, key: keyEnd } })).toEqual(
        all.slice(s + 1),
      );
  });

  it('makes the same slices in one go as in pieces that begin where slices of so many rows end, damaged pages or not', async () => {
    const folder = tempFolder({
      'a.parquet': fixture('awkward-text'),
      'b.parquet': spoiled('small-pages', 'Document 123:'),
      'c.parquet': fixture('one-row'),
      'd.parquet': fixture('none'),
      'e.parquet': fixture('one-page'),
    });
    const chosen = settings('.', { onBadFile: 'skip' });
    const corpus = await openCorpus(chosen, folder);
    const sizes = fc.record({
      documents: fc.integer({ min: 1, max: 60 }),
      tokens: fc.integer({ min: 1, max: 2000 }),
      rows: fc.integer({ min: 1, max: 150 }),
    });
    const read = async (size: SliceSize, skip: number, limit: number) => {
      const slices = await readAll({ ...chosen, skip, limit }, { folder, size });
      return slices.map(({ batch: _, ...slice }) => slice);
    };
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 2, max: 5 }), async (size, count) => {
        const ranges = await divideRows(corpus, chosen, 0, corpus.rows, count, size.rows);
        const pieces = await Promise.all(ranges.map(({ keyStart, keyEnd }) => read(size, keyStart, keyEnd - keyStart)));
        expect(pieces.flat()).toEqual(await read(size, 0, corpus.rows));
      }),
      { numRuns: 25 },
    );
  });

  it('ends a slice after every so many rows of a file, whatever it holds', async () => {
    const slices = await readAll(settings('none.parquet'), { size: { rows: 70 } });
    expect(slices.map(({ keyEnd }) => keyEnd)).toEqual([70, 140, 210, 280, 300]);
    const short = await readAll(settings(['awkward-text.parquet', 'none.parquet']), { size: { rows: 128 } });
    expect(short.map(({ keyEnd }) => keyEnd)).toEqual([12 + 128, 12 + 256, 12 + 300]);
  });

  it('accounts for every row: documents, set aside, lost', async () => {
    const folder = tempFolder({
      'a.parquet': fixture('awkward-text'),
      'b.parquet': spoiled('small-pages', 'Document 123:'),
      'c.parquet': fixture('none'),
    });
    const size = { documents: 10, tokens: 1e9 };
    const slices = await readAll(settings('.', { onBadFile: 'skip' }), { folder, size });
    const count = (of: (slice: DocumentSlice) => number) => slices.reduce((sum, slice) => sum + of(slice), 0);
    const lost = count((slice) => slice.lost.reduce((sum, { rowStart, rowEnd }) => sum + rowEnd - rowStart, 0));
    expect([count(({ text }) => text.length), count(({ setAside }) => setAside.length), lost]).toEqual([
      4 + 290 + 300,
      8,
      10,
    ]);
    expect(slices.at(-1)?.keyEnd).toBe(612);
  });

  it.each([
    ['row 4', 0, 'row 4 of awkward-text.parquet, got not UTF-8 at byte 7'],
    ['row 7, the first after row 6', 7, 'row 7 of awkward-text.parquet, got NUL at byte 6'],
  ])('fails at text that is not valid where asked: %s', async (_, skip, what) => {
    const failing = settings('awkward-text.parquet', { onBadRow: 'fail', skip });
    const reading = readAll(failing);
    await expect(reading).rejects.toBeInstanceOf(InputError);
    expect(await messageOf(reading)).toBe(
      `InputError: readDocuments expected valid text in ${what}; mend it, set corpus.invalidText: replace to read it with U+FFFD ` +
        'there, or corpus.onBadRow: setAside to go on without it',
    );
    expect((await readAll({ ...failing, invalidText: 'replace' }))[0].text.length).toBeGreaterThan(0);
    expect((await readAll({ ...failing, limit: 4, skip: 0 }))[0].setAside).toHaveLength(3); // null, empty and white space are no faults
  });

  it('holds a few documents of 10 MB at a time', async () => {
    const file = path.join(tempFolder(), 'huge.parquet');
    const duck = await (await DuckDBInstance.create(':memory:')).connect();
    await duck.run(
      `COPY (SELECT repeat(chr(97 + i::INTEGER), 10_000_000) AS text FROM range(12) r(i)) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`,
    );
    duck.closeSync();
    const slices = await readAll(settings(file), { size: { tokens: 1e9 } });
    expect(slices.map(({ text }) => text.length)).toEqual([4, 4, 4]);
    expect(slices[2].text[3]).toBe('l'.repeat(10_000_000));
  });

  it('does not gather an endless run of nulls in one slice', async () => {
    const file = path.join(tempFolder(), 'nulls.parquet');
    const duck = await (await DuckDBInstance.create(':memory:')).connect();
    await duck.run(`COPY (SELECT NULL::VARCHAR AS text FROM range(25000)) TO '${file}' (FORMAT parquet)`);
    duck.closeSync();
    const slices = await readAll(settings(file));
    expect(slices.map(({ setAside }) => setAside.length)).toEqual([10_000, 10_000, 5_000]);
  });
});

/** A fixture with one bit of the given text turned. */
function spoiled(name: string, text: string): Buffer {
  const bytes = Buffer.from(fixture(name));
  bytes[bytes.indexOf(text)] ^= 1;
  return bytes;
}

describe('readDocuments on damaged files', () => {
  it('names file, row group, page and reason, and how to go on', async () => {
    const folder = tempFolder({ 'a.parquet': spoiled('small-pages', 'Document 123:') });
    const reading = readAll(settings('a.parquet'), { folder });
    await expect(reading).rejects.toBeInstanceOf(InputError);
    expect(await messageOf(reading)).toMatch(
      /^InputError: readDocuments cannot read rows 120 to 129 of a\.parquet: row group 0, column "text", page at byte \d+: its checksum \(CRC\) does not match its bytes; fetch the file again, or set corpus\.onBadFile: skip to go on without them$/,
    );
  });

  it('loses the rows of the page where it may, and says so in the slice', async () => {
    const bytes = Buffer.from(fixture('none'));
    const inHeader = bytes.indexOf('Document 100:'); // the least text of its page
    bytes.writeUInt32LE(0x7fffffff, bytes.indexOf('Document 100:', inHeader + 1) - 4); // the length of row 100's text
    const folder = tempFolder({ 'a.parquet': bytes });
    const [slice] = await readAll(settings('a.parquet', { onBadFile: 'skip' }), { folder });
    expect(slice.text).toEqual([...ROWS.slice(0, 100), ...ROWS.slice(200)].map(fixtureText));
    expect(slice.lost).toEqual([
      {
        kind: 'lost',
        file: 0,
        path: 'a.parquet',
        rowStart: 100,
        rowEnd: 200,
        reason: expect.stringMatching(
          /^row group 1, column "text", page at byte \d+: it is damaged: its values reach past its end$/,
        ),
      },
    ]);
  });

  it('loses no rows outside skip and limit', async () => {
    const folder = tempFolder({ 'a.parquet': spoiled('small-pages', 'Document 123:') });
    const [slice] = await readAll(settings('a.parquet', { onBadFile: 'skip', skip: 100, limit: 50 }), { folder });
    expect([...slice.row]).toEqual([...ROWS.slice(100, 120), ...ROWS.slice(130, 150)]);
    expect(slice.lost).toMatchObject([{ rowStart: 120, rowEnd: 130 }]);
    expect(await readAll(settings('a.parquet', { onBadFile: 'skip', skip: 110, limit: 15 }), { folder })).toMatchObject(
      [{ lost: [{ rowStart: 120, rowEnd: 125 }], keyEnd: 125 }],
    );
    expect(await readAll(settings('a.parquet', { skip: 130 }), { folder })).toMatchObject([{ lost: [], keyEnd: 300 }]);
  });

  it('loses a file that has gone, or fails', async () => {
    const folder = tempFolder({ 'a.parquet': fixture('none'), 'b.parquet': fixture('one-row') });
    for (const onBadFile of ['fail', 'skip'] as const) {
      const chosen = settings('.', { onBadFile });
      const corpus = await openCorpus(chosen, folder);
      corpus.files[0].path = 'gone.parquet';
      const first = readDocuments(corpus, chosen, MANY, 512).next();
      if (onBadFile === 'skip')
        expect((await first).value).toMatchObject({
          lost: [{ path: 'gone.parquet', rowStart: 0, rowEnd: 300 }],
          keyEnd: 301,
        });
      else await expect(first).rejects.toThrow('cannot read rows 0 to 299 of gone.parquet: ');
    }
  });

  it('refuses a file that has changed since the corpus was opened, skip or not', async () => {
    const folder = tempFolder({ 'a.parquet': fixture('none') });
    for (const onBadFile of ['fail', 'skip'] as const) {
      const chosen = settings('.', { onBadFile });
      const corpus = await openCorpus(chosen, folder);
      writeFileSync(path.join(folder, 'a.parquet'), fixture('zstd'));
      await expect(readDocuments(corpus, chosen, MANY, 512).next()).rejects.toBeInstanceOf(IntegrityError);
      writeFileSync(path.join(folder, 'a.parquet'), fixture('none'));
    }
    const corpus = await openCorpus(settings('.'), folder);
    appendFileSync(path.join(folder, 'a.parquet'), fixture('none').subarray(-2000));
    await expect(readDocuments(corpus, settings('.'), MANY, 512).next()).rejects.toThrow(
      'the corpus file a.parquet has changed since the run began (it has 32093 bytes, it had 30093): scores before and after would be of different corpora; ' +
        'put it back or start a new run',
    );
  });

  it('meets any damage with an error of ours or with rows, never with anything else', async () => {
    const names = [
      'none',
      'snappy',
      'gzip',
      'brotli',
      'lz4',
      'zstd',
      'dictionary',
      'version2',
      'delta-length',
      'delta-strings',
      'ids',
    ];
    const damage = fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), damage, fc.boolean(), async (name, changes, nearEnd) => {
        const bytes = Buffer.from(fixture(name));
        // half of the time in the footer, where a changed byte says most
        const from = nearEnd ? bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8) : 0;
        for (const [place, value] of changes) bytes[from + Math.floor(place * (bytes.length - from))] = value;
        const folder = tempFolder({ 'a.parquet': bytes });
        const reading = readAll(settings('a.parquet', { idColumn: name === 'ids' ? 'uint64' : 'id' }), { folder });
        const error = await reading.then(
          () => null,
          (caught) => caught,
        );
        if (error !== null) {
          expect(error).toBeInstanceOf(InputError);
          expect(error.message).toContain('a.parquet');
        }
      }),
      { numRuns: 300 },
    );
  });

  it('closes its file when the reader turns away', async () => {
    const chosen = settings('none.parquet');
    const corpus = await openCorpus(chosen, FIXTURES);
    const reading = readDocuments(corpus, chosen, { ...MANY, documents: 1 }, 512);
    await reading.next();
    expect(await reading.return(undefined)).toEqual({ done: true, value: undefined });
    expect(await reading.next()).toEqual({ done: true, value: undefined });
  });
});

import { parquetMetadata } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../../schemas/errors.ts';
import { craft, fixtureText, messageOf, readAll, settings, tempFolder } from '../corpora.ts';

// The faults of apache/parquet-testing's bad_data, made anew: bench/parquetTesting.ts reads the files themselves.

const strings = Buffer.from('0300000070617203000000717565', 'hex'); // "par", "que"
const LEVELS = Buffer.from('020000002801', 'hex'); // twenty ones
const inDictionary = { encoding: 8 };
/** Levels of twenty values, and their indices: a byte for the width of one, and runs. */
const indices = (hex: string) => () => Buffer.concat([LEVELS, Buffer.from(hex, 'hex')]);

/** Nineteen levels of one, one of zero, and the first nineteen strings. */
const withOneNull = (body: Buffer) =>
  Buffer.concat([Buffer.from('0400000026010200', 'hex'), body.subarray(6, body.lastIndexOf('Document') - 4)]);

const read = (bytes: Uint8Array) => readAll(settings('.'), { folder: tempFolder({ 'a.parquet': bytes }) });

describe('a file like those of bad_data', () => {
  it.each([
    ['a type that is none (PARQUET-1481)', { element: { type: -7 } }, /a\.parquet: /],
    [
      'a dictionary of less than no entries (ARROW-RS-GH-6229)',
      { dictionary: { body: strings, header: { num_values: -2 } }, dataPage: inDictionary, body: indices('012800') },
      /page at byte 4: it claims -2 entries/,
    ],
    [
      'fewer levels than values (ARROW-RS-GH-6229, ARROW-GH-41321)',
      { body: (b: Buffer) => Buffer.concat([Buffer.from('020000002601', 'hex'), b.subarray(6)]) },
      /its runs of numbers reach past its end/,
    ],
    [
      'a column of another length than the others (ARROW-GH-41317)',
      { dataPage: { num_values: 19 } },
      /its pages hold 19 of 20 rows/,
    ],
    [
      'nulls in a column that has none (ARROW-GH-47662)',
      { element: { repetition_type: 0 }, body: withOneNull },
      /it has levels of nulls, the schema says that its column has none/,
    ],
    [
      'an index beyond the dictionary',
      { dictionary: { body: strings }, dataPage: inDictionary, body: indices('022803') },
      /it names entry 3 of a dictionary of 2/,
    ],
    [
      'indices beyond the page',
      { dictionary: { body: strings }, dataPage: inDictionary, body: indices('011401') },
      /its runs of numbers reach past its end/,
    ],
    [
      'bytes behind the last index',
      { dictionary: { body: strings }, dataPage: inDictionary, body: indices('01280000') },
      /its runs of numbers end at byte 2 of 3/,
    ],
    [
      'two dictionaries',
      { dictionary: { body: strings }, page: { type: 2 } },
      /it is a DICTIONARY_PAGE and has a data_page_header/,
    ],
  ])('with %s is refused within a second', async (_, changes, message) => {
    const start = performance.now();
    const reading = read(craft(changes));
    await expect(reading).rejects.toBeInstanceOf(InputError);
    expect(await messageOf(reading)).toMatch(message);
    expect(await messageOf(reading)).toContain('a.parquet');
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('with indices of no bits is read: every value is the first (ARROW-GH-43605)', async () => {
    const [slice] = await read(craft({ dictionary: { body: strings }, dataPage: inDictionary, body: indices('0028') }));
    expect(slice.text).toEqual(new Array(20).fill('par'));
  });

  it('with a column whose size leaves out the header of its dictionary is read, as old writers have it (PARQUET-816)', async () => {
    const whole = { dictionary: { body: strings }, dataPage: inDictionary, body: indices('012801') };
    const { data_page_offset, total_compressed_size } = parquetMetadata(new Uint8Array(craft(whole))).row_groups[0].columns[0].meta_data!; // biome-ignore format: one line
    const header = Number(data_page_offset) - 4 - strings.length;
    const sized = (less: number) =>
      craft({ ...whole, chunk: { total_compressed_size: Number(total_compressed_size) - less } });
    expect((await read(sized(header)))[0].text).toEqual(new Array(20).fill('que'));
    for (const less of [header - 1, 1])
      expect(await messageOf(read(sized(less)))).toContain("its column's pages end there, the footer says at byte");
    expect(await messageOf(read(sized(header + 1)))).toMatch(/it claims \d+ bytes where \d+ are left/);
  });

  it('is read where nothing is wrong', async () => {
    expect((await read(craft({})))[0].text[19]).toBe(fixtureText(19));
    const [slice] = await read(
      craft({ dictionary: { body: strings }, dataPage: inDictionary, body: indices('012801') }),
    );
    expect(slice.text).toEqual(new Array(20).fill('que'));
  });
});

import type { DataReader, Encoding } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { decodeDictionary, decodePage, valueEncodings } from '../../../../operators/documents/parquet/decodePage.ts';
import type { Column } from '../../../../operators/documents/parquet/findColumns.ts';

const TEXT: Column = { name: 'text', kind: 'text', type: 'BYTE_ARRAY', nullable: false, leaf: 0 };
const NUMBER: Column = { name: 'id', kind: 'integer', type: 'INT64', nullable: false, leaf: 0 };

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 128))];
const zigzag = (value: number) => varint(value >= 0 ? value * 2 : -value * 2 - 1);

/** Deltas that are all the same: one block, 4 miniblocks of no bits. */
const steps = (first: number, step: number, count: number) => [
  ...varint(128),
  ...varint(4),
  ...varint(count),
  ...zigzag(first),
  ...zigzag(step),
  0,
  0,
  0,
  0,
];
const reader = (...bytes: number[]): DataReader => ({ view: new DataView(Uint8Array.from(bytes).buffer), offset: 0 });
const decode = (encoding: Encoding, from: DataReader, count: number, column = TEXT) =>
  valueEncodings[encoding]!(from, count, column, null);
const strings = (values: (i: number) => unknown, count: number) =>
  Array.from({ length: count }, (_, i) => Buffer.from(values(i) as Uint8Array).toString());

describe('valueEncodings', () => {
  it('shares prefixes between strings', () => {
    const page = reader(...steps(0, 1, 3), ...steps(1, 0, 3), ...Buffer.from('abc'));
    expect(strings(decode('DELTA_BYTE_ARRAY', page, 3), 3)).toEqual(['a', 'ab', 'abc']);
  });

  it('refuses strings that unfold beyond all measure before taking the memory', () => {
    const doubling = reader(...steps(0, 100_000_000, 3), ...steps(100_000_000, 0, 3));
    expect(() => decode('DELTA_BYTE_ARRAY', doubling, 3)).toThrow('its strings take more than 134217728 bytes');
  });

  it('refuses a string that continues more than the one before', () => {
    const page = reader(...steps(0, 5, 2), ...steps(1, 0, 2), ...Buffer.from('ab'));
    expect(() => decode('DELTA_BYTE_ARRAY', page, 2)).toThrow('its string 1 continues 5 bytes of one of 1 bytes');
  });

  it('refuses deltas in absurdly many miniblocks before taking memory for their widths', () => {
    const page = reader(...varint(128), ...varint(2 ** 31 - 1), ...varint(2), ...zigzag(0), ...zigzag(0));
    for (const encoding of ['DELTA_BINARY_PACKED', 'DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY'] as const)
      expect(() => decode(encoding, page, 2, encoding === 'DELTA_BINARY_PACKED' ? NUMBER : TEXT)).toThrow(
        'it claims blocks of 128 deltas in 2147483647 miniblocks',
      );
  });

  it('refuses lengths that are not those of the strings', () => {
    const page = reader(...steps(2, 0, 2), ...Buffer.from('abcde'));
    expect(() => decode('DELTA_LENGTH_BYTE_ARRAY', page, 2)).toThrow('a length among them is wrong');
    expect(() => decode('PLAIN', reader(1, 0, 0, 0, 65, 66), 1)).toThrow('its values end at byte 5 of 6');
    expect(() => decode('PLAIN', reader(1, 0, 0, 0, 65), 2)).toThrow('it promises 2 strings in 5 bytes');
    expect(() => decode('PLAIN', reader(1, 0, 0, 0, 65), 1, NUMBER)).toThrow(
      'it promises 1 values of 8 bytes in 5 bytes',
    );
    expect(() => decode('DELTA_BINARY_PACKED', page, 2)).toThrow('BYTE_ARRAY values in an encoding for integers');
  });
});

describe('decodePage', () => {
  const data = (encoding: Encoding, rows: number) => ({
    num_values: rows,
    encoding,
    definition_level_encoding: 'RLE' as const,
    repetition_level_encoding: 'RLE' as const,
  });
  const header = (bytes: Uint8Array, encoding: Encoding, rows: number) => ({
    type: 'DATA_PAGE' as const,
    uncompressed_page_size: bytes.length,
    compressed_page_size: bytes.length,
    data_page_header: data(encoding, rows),
  });

  it('puts null where the levels say so', () => {
    const body = Uint8Array.of(2, 0, 0, 0, 3, 0b101, 1, 0, 0, 0, 65, 1, 0, 0, 0, 66);
    const values = decodePage(body, header(body, 'PLAIN', 3), { ...TEXT, nullable: true }, 'UNCOMPRESSED', null);
    expect([0, 1, 2].map((i) => values(i) && Buffer.from(values(i) as Uint8Array).toString())).toEqual([
      'A',
      null,
      'B',
    ]);
  });

  it('reads a page of nothing but nulls whatever its encoding says', () => {
    const body = Uint8Array.of(2, 0, 0, 0, 6, 0);
    for (const encoding of ['PLAIN', 'RLE_DICTIONARY', 'DELTA_BYTE_ARRAY'] as const) {
      const values = decodePage(body, header(body, encoding, 3), { ...TEXT, nullable: true }, 'UNCOMPRESSED', null);
      expect([values(0), values(1), values(2)]).toEqual([null, null, null]);
    }
  });

  it('refuses an entry beyond the dictionary', () => {
    const page = Uint8Array.of(1, 0, 0, 0, 65);
    const dictionaryHeader = {
      type: 'DICTIONARY_PAGE' as const,
      uncompressed_page_size: 5,
      compressed_page_size: 5,
      dictionary_page_header: { num_values: 1, encoding: 'PLAIN' as const },
    };
    const dictionary = decodeDictionary(page, dictionaryHeader, TEXT, 'UNCOMPRESSED');
    const body = Uint8Array.of(2, 2, 0, 2, 3); // width 2; entry 0 once, entry 3 once
    expect(() => decodePage(body, header(body, 'RLE_DICTIONARY', 2), TEXT, 'UNCOMPRESSED', dictionary)).toThrow(
      'it names entry 3 of a dictionary of 1',
    );
  });

  it('refuses a dictionary of more entries than its bytes hold', () => {
    const huge = {
      type: 'DICTIONARY_PAGE' as const,
      uncompressed_page_size: 5,
      compressed_page_size: 5,
      dictionary_page_header: { num_values: 2 ** 31 - 1, encoding: 'PLAIN' as const },
    };
    expect(() => decodeDictionary(Uint8Array.of(1, 0, 0, 0, 65), huge, TEXT, 'UNCOMPRESSED')).toThrow(
      'it promises 2147483647 strings in 5 bytes',
    );
  });
});

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Columns, inferColumns, openTable, writeTable } from '../../../operators/report/writeTable.ts';
import { ResourceError } from '../../../schemas/errors.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import { query, readColumns, readRows } from './duckdb.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headwater-table-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const columns: Columns = {
  text: 'string',
  score: 'double',
  rank: 'int32',
  row: 'int64',
  kept: 'boolean',
  text_or_null: 'string?',
  score_or_null: 'double?',
  rank_or_null: 'int32?',
  row_or_null: 'int64?',
  kept_or_null: 'boolean?',
};
const types = ['VARCHAR', 'DOUBLE', 'INTEGER', 'BIGINT', 'BOOLEAN'];

const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('', 'é😀', '\0', 'a'.repeat(70_000)));
const double = fc.double({ noNaN: true }).map((x) => x + 0); // -0 is written as 0
const int32 = fc.integer();
const int64 = fc.maxSafeInteger();
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 2 });
const anyRow: fc.Arbitrary<TableRow> = fc.record({
  text,
  score: double,
  rank: int32,
  row: int64,
  kept: fc.boolean(),
  text_or_null: maybe(text),
  score_or_null: maybe(double),
  rank_or_null: maybe(int32),
  row_or_null: maybe(int64),
  kept_or_null: maybe(fc.boolean()),
});

async function readWithHyparquet(path: string): Promise<Record<string, unknown>[]> {
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([k, v]) => [k, typeof v === 'bigint' ? Number(v) : (v ?? null)])),
  );
}

describe('writeTable', () => {
  test('writes what DuckDB and hyparquet read back, for every type, null or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 30 }), async (rows) => {
        const path = join(folder, 'any.parquet');
        expect(await writeTable(path, columns, rows)).toBe(rows.length);
        expect(await readRows(path)).toEqual(rows);
        expect(await readWithHyparquet(path)).toEqual(rows);
      }),
      { numRuns: 60 },
    );
  });

  test('writes several row groups in order', async () => {
    const path = join(folder, 'long.parquet');
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ name: `row ${i}`, value: i % 3 ? i : null }));
    await writeTable(path, { name: 'string', value: 'int64?' }, rows);
    expect(await readRows(path)).toEqual(rows);
    const [{ groups }] = await query(
      'SELECT count(DISTINCT row_group_id) AS groups FROM parquet_metadata({path})',
      path,
    );
    expect(groups).toBe(3n);
  });

  test('writes a table of no rows that opens with its columns and types', async () => {
    const path = join(folder, 'empty.parquet');
    await writeTable(path, columns, []);
    expect(await readRows(path)).toEqual([]);
    expect(await readColumns(path)).toEqual(Object.keys(columns).map((name, i) => [name, types[i % 5]]));
    expect(await readWithHyparquet(path)).toEqual([]);
  });

  test('writes a column of nulls only', async () => {
    const path = join(folder, 'nulls.parquet');
    const rows = Array.from({ length: 100 }, () => ({ a: null, b: null }));
    await writeTable(path, { a: 'string?', b: 'double?' }, rows);
    expect(await readRows(path)).toEqual(rows);
  });

  test('writes texts of megabytes, a row group for every 16 million characters', async () => {
    const path = join(folder, 'texts.parquet');
    let seed = 1;
    const noise = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return String.fromCharCode(32 + (seed >>> 16) * 0.8);
    };
    const texts = [
      Array.from({ length: 300_000 }, noise).join(''),
      'word '.repeat(2_000_000),
      '',
      'é'.repeat(7_000_000),
      'in the next row group',
    ];
    await writeTable(
      path,
      { text: 'string' },
      texts.map((text) => ({ text })),
    );
    const read = await readRows(path);
    expect(read.length).toBe(texts.length);
    expect(read.every(({ text }, i) => text === texts[i])).toBe(true);
    const [{ groups }] = await query(
      'SELECT count(DISTINCT row_group_id) AS groups FROM parquet_metadata({path})',
      path,
    );
    expect(groups).toBe(2n);
  });

  test('replaces half of a surrogate pair by U+FFFD', async () => {
    const path = join(folder, 'half.parquet');
    await writeTable(path, { text: 'string' }, [{ text: 'a\ud83db' }]);
    expect(await readRows(path)).toEqual([{ text: 'a\ufffdb' }]);
  });

  test('gives the same bytes for the same rows, a row at a time or all at once', async () => {
    const rows = fc.sample(anyRow, { numRuns: 50, seed: 7 });
    const [one, other] = [join(folder, 'one.parquet'), join(folder, 'other.parquet')];
    await writeTable(one, columns, rows);
    const table = await openTable(other, columns);
    for (const row of rows) await table.append(row);
    await table.close();
    expect(readFileSync(one).equals(readFileSync(other))).toBe(true);
  });

  test('leaves the older table in place until the new one is closed', async () => {
    const path = join(folder, 'table.parquet');
    await writeTable(path, { value: 'int32' }, [{ value: 1 }]);
    const table = await openTable(path, { value: 'int32' });
    await table.append({ value: 2 });
    expect(await readRows(path)).toEqual([{ value: 1 }]);
    await table.close();
    await table.abandon();
    expect(await readRows(path)).toEqual([{ value: 2 }]);
    expect(readdirSync(folder)).toEqual(['table.parquet']);
  });

  test.each<[Columns, TableRow, string]>([
    [{ score: 'double' }, { score: Number.NaN }, 'expected double in column score of t.parquet, got NaN (row 1)'],
    [{ score: 'double?' }, { score: '1' }, 'expected double or null in column score of t.parquet, got "1" (row 1)'],
    [{ text: 'string' }, { text: null }, 'expected string in column text of t.parquet, got null (row 1)'],
    [{ rank: 'int32' }, { rank: 2 ** 31 }, 'expected int32 in column rank of t.parquet, got 2147483648 (row 1)'],
    [{ rank: 'int32' }, { rank: 1.5 }, 'expected int32 in column rank of t.parquet, got 1.5 (row 1)'],
    [{ row: 'int64' }, { row: 2 ** 53 }, 'expected int64 in column row of t.parquet, got 9007199254740992 (row 1)'],
    [
      { row: 'int64' },
      { row: 2n ** 60n },
      'expected int64 in column row of t.parquet, got 1152921504606846976 (row 1)',
    ],
    [{ kept: 'boolean' }, { kept: 1 }, 'expected boolean in column kept of t.parquet, got 1 (row 1)'],
    [{ kept: 'boolean?' }, { keep: true }, 'expected the columns kept in t.parquet, got keep (row 1)'],
  ])('refuses a row that %o does not declare: %o', async (declared, row, message) => {
    const good = { double: 1, string: 'a', int32: 1, int64: 1n, boolean: true };
    const [[name, type]] = Object.entries(declared);
    const rows = [{ [name]: good[type.replace('?', '') as keyof typeof good] }, row];
    await expect(writeTable(join(folder, 't.parquet'), declared, rows)).rejects.toThrow(`writeTable ${message}`);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('names the path when the folder is not there', async () => {
    const path = join(folder, 'nowhere', 't.parquet');
    const failed = writeTable(path, { value: 'int32' }, []);
    await expect(failed).rejects.toThrow(ResourceError);
    await expect(failed).rejects.toThrow(`cannot write ${path}: ENOENT`);
  });

  test.runIf(existsSync('/dev/full'))(
    'fails with the path, and keeps the older table, when the disk is full',
    async () => {
      const path = join(folder, 't.parquet');
      writeFileSync(path, 'older');
      symlinkSync('/dev/full', `${path}.partial`);
      const failed = writeTable(path, { value: 'int32' }, [{ value: 1 }]);
      await expect(failed).rejects.toThrow(ResourceError);
      await expect(failed).rejects.toThrow(/cannot write .*t\.parquet: ENOSPC.*; make room/);
      expect(readFileSync(path, 'utf8')).toBe('older');
      expect(readdirSync(folder)).toEqual(['t.parquet']);
      expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
    },
  );
});

describe('inferColumns', () => {
  test('takes numbers as doubles and a column of nulls as text, all nullable, in order of appearance', () => {
    const rows = [
      { a: null, b: 1, c: null },
      { b: 2.5, a: 'x', d: 5n, e: true, c: null },
    ] as TableRow[];
    expect(Object.entries(inferColumns('mine', rows))).toEqual([
      ['a', 'string?'],
      ['b', 'double?'],
      ['c', 'string?'],
      ['d', 'int64?'],
      ['e', 'boolean?'],
    ]);
  });

  test('refuses a column of two types and a value that no column can hold', () => {
    expect(() => inferColumns('mine', [{ a: 1 }, { a: 'x' }])).toThrow(
      'table mine expected double? in column a, got "x"',
    );
    expect(() => inferColumns('mine', [{ a: [1] as never }])).toThrow(
      'table mine expected text, numbers, booleans or null in column a, got 1',
    );
  });
});

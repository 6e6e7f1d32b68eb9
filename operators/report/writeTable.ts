/** Writes rows to a Parquet file that DuckDB, pyarrow and pandas read: declared columns, the same bytes for the same rows. */
import { basename } from 'node:path';
import parquet, { type Field, type ParquetWriter } from 'parquetjs-lite';
import type { TableRow } from '../../schemas/operators.ts';
import { openWholeFile, type WholeFile } from '../files/wholeFile.ts';

export type ColumnType = 'string' | 'double' | 'int32' | 'int64' | 'boolean';

/** Names and types in the order of the file's columns; a trailing `?` allows null. */
export type Columns = Record<string, ColumnType | `${ColumnType}?`>;

export interface TableWriter {
  /** Throws when a value is not what its column declares; the table is then as it was. */
  append(row: TableRow): Promise<void>;
  /** Makes the file appear under its name. */
  close(): Promise<void>;
  /** Leaves no file behind; does nothing after `close`. */
  abandon(): Promise<void>;
}

/** What each type takes, and what it is in Parquet. */
const types: Record<ColumnType, { parquet: Field['type']; takes: (value: unknown) => boolean }> = {
  string: { parquet: 'UTF8', takes: (value) => typeof value === 'string' },
  double: { parquet: 'DOUBLE', takes: (value) => typeof value === 'number' && !Number.isNaN(value) },
  int32: {
    parquet: 'INT32',
    takes: (value) => Number.isInteger(value) && (value as number) === (value as number) >> 0,
  },
  // parquetjs-lite rounds a bigint to a number: what that would change is refused
  int64: {
    parquet: 'INT64',
    takes: (value) => Number.isSafeInteger(typeof value === 'bigint' ? Number(value) : value),
  },
  boolean: { parquet: 'BOOLEAN', takes: (value) => typeof value === 'boolean' },
};

const rowGroupRows = 8192;
/** UTF-16 units of text after which a row group is written early, to bound memory when documents are long. */
const rowGroupText = 2 ** 24;

/** Opens a table that appears at `path` when it is closed. */
export async function openTable(path: string, columns: Columns): Promise<TableWriter> {
  const checks = Object.entries(columns).map(([name, declared]) => ({ name, ...parseType(declared) }));
  const file = await openWholeFile(path);
  const sink = sinkOf(file);
  const writer = await openWriter(checks, sink);
  let rows = 0;
  let text = 0;
  return {
    async append(row) {
      checkRow(basename(path), rows, row, columns, checks);
      for (const { name } of checks) if (typeof row[name] === 'string') text += row[name].length;
      writer.setRowGroupSize(text > rowGroupText ? 1 : rowGroupRows);
      if (text > rowGroupText) text = 0;
      await writer.appendRow(row);
      ++rows;
      sink.rethrow();
    },
    async close() {
      await writer.close();
      sink.rethrow();
      await file.commit();
    },
    abandon: file.abandon,
  };
}

/** Writes all rows and closes; leaves no file when a row is refused. Returns the number of rows. */
export async function writeTable(
  path: string,
  columns: Columns,
  rows: Iterable<TableRow> | AsyncIterable<TableRow>,
): Promise<number> {
  const table = await openTable(path, columns);
  let count = 0;
  try {
    for await (const row of rows) {
      await table.append(row);
      ++count;
    }
    await table.close();
  } finally {
    await table.abandon();
  }
  return count;
}

/**
 * The columns of rows whose types nobody declared, all of them nullable: numbers are doubles, so that a column's type does not depend on
 * the run, and a column of nulls is text. Throws when a column holds two types. No rows, no columns: then there is no table to write.
 */
export function inferColumns(table: string, rows: Iterable<TableRow>): Columns {
  const inferred = { string: 'string?', number: 'double?', bigint: 'int64?', boolean: 'boolean?' } as const;
  const columns = new Map<string, Columns[string] | null>();
  for (const row of rows)
    for (const [name, value] of Object.entries(row)) {
      const known = columns.get(name) ?? null;
      const type = value === null ? known : inferred[typeof value as keyof typeof inferred];
      if (type === undefined || (known ?? type) !== type)
        throw new TypeError(
          `table ${table} expected ${known ?? 'text, numbers, booleans or null'} in column ${name}, got ${show(value)}`,
        );
      columns.set(name, type);
    }
  return Object.fromEntries(Array.from(columns, ([name, type]) => [name, type ?? 'string?']));
}

interface CheckedColumn {
  name: string;
  type: ColumnType;
  optional: boolean;
}

const parseType = (declared: Columns[string]): Omit<CheckedColumn, 'name'> => ({
  type: declared.replace('?', '') as ColumnType,
  optional: declared.endsWith('?'),
});

function checkRow(table: string, row: number, values: TableRow, columns: Columns, checks: CheckedColumn[]): void {
  for (const { name, type, optional } of checks) {
    const value = values[name] ?? null;
    if (value === null ? optional : types[type].takes(value)) continue;
    throw new TypeError(
      `writeTable expected ${type}${optional ? ' or null' : ''} in column ${name} of ${table}, got ${show(value)} (row ${row})`,
    );
  }
  for (const name in values)
    if (!Object.hasOwn(columns, name))
      throw new TypeError(
        `writeTable expected the columns ${Object.keys(columns).join(', ')} in ${table}, got ${name} (row ${row})`,
      );
}

const show = (value: unknown): string =>
  typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);

/**
 * SNAPPY, because its encoder here is JavaScript: zlib's bytes change with the version of Node. No statistics: parquetjs-lite orders
 * strings by UTF-16 unit where readers order by byte, and would put whole texts into the footer. No page index: it leaves out
 * fields that the format requires. Pages of version 1, which every reader has.
 */
function openWriter(columns: CheckedColumn[], sink: Sink): Promise<ParquetWriter> {
  const fields: Record<string, Field> = {};
  for (const { name, type, optional } of columns)
    fields[name] = { type: types[type].parquet, optional, compression: 'SNAPPY', statistics: false };
  const options = { rowGroupSize: rowGroupRows, pageIndex: false, useDataPageV2: false } as const;
  return parquet.ParquetWriter.openStream(new parquet.ParquetSchema(fields), sink, options);
}

type Sink = ReturnType<typeof sinkOf>;

/** parquetjs-lite does not await the write of its header, whose failure would end the process: failures are kept and thrown later. */
function sinkOf(file: WholeFile) {
  let failure: { error: unknown } | null = null;
  return {
    write(bytes: Buffer, done: () => void) {
      file
        .write(bytes)
        .catch((error) => {
          failure ??= { error };
        })
        .then(() => done());
    },
    end: (done: () => void) => done(),
    rethrow() {
      if (failure) throw failure.error;
    },
  };
}

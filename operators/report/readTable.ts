/** Reads a table of a run folder back into rows of the declared types; what the file holds is not trusted. */
import { basename } from 'node:path';
import {
  type AsyncBuffer,
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { InputError } from '../../schemas/errors.ts';
import { exists } from '../files/exists.ts';
import type { Columns, ColumnType } from './writeTable.ts';

interface TypeOf {
  string: string;
  double: number;
  int32: number;
  int64: number;
  boolean: boolean;
}

type Value<D> = D extends `${infer T extends ColumnType}?`
  ? TypeOf[T] | null
  : D extends ColumnType
    ? TypeOf[D]
    : never;

/** A row as its columns declare it; int64 is a number. */
export type RowOf<C extends Columns> = { -readonly [Name in keyof C]: Value<C[Name]> };

/**
 * The rows of the table at `path`, or null where there is no such file. Columns that are not declared are not read; a nullable one that
 * the file lacks is null. Throws InputError for a file that is no such table.
 */
export async function readTable<const C extends Columns>(path: string, columns: C): Promise<RowOf<C>[] | null> {
  if (!(await exists(path))) return null;
  const rows = await readRows(path, columns);
  const checks = Object.entries(columns).map(([name, declared]) => checkOf(path, name, declared));
  return rows.map((row, r) => Object.fromEntries(checks.map((check) => check(row, r))) as RowOf<C>);
}

async function readRows(path: string, columns: Columns): Promise<Record<string, unknown>[]> {
  try {
    const file = await asyncBufferFromFile(path);
    const present = await presentColumns(file, path, columns);
    return await parquetReadObjects({ file, columns: present, compressors });
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    throw new InputError(
      `readTable could not read ${path} as Parquet: ${(cause as Error).message}; run headwater run again`,
      { cause },
    );
  }
}

async function presentColumns(file: AsyncBuffer, path: string, columns: Columns): Promise<string[]> {
  const found = parquetSchema(await parquetMetadataAsync(file)).children.map(({ element }) => element.name);
  const missing = Object.keys(columns).find((name) => !columns[name].endsWith('?') && !found.includes(name));
  if (missing === undefined) return found.filter((name) => Object.hasOwn(columns, name));
  throw new InputError(
    `readTable expected the column ${missing} in ${path}, found ${found.slice(0, 12).join(', ')}: ` +
      'this is no table of a run; name a folder that headwater run wrote',
  );
}

/** What each type takes, an int64 as hyparquet gives it. */
const takes: Record<ColumnType, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  double: (value) => typeof value === 'number',
  int32: (value) => Number.isInteger(value),
  int64: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
};

function checkOf(path: string, name: string, declared: Columns[string]) {
  const type = declared.replace('?', '') as ColumnType;
  const optional = declared.endsWith('?');
  return (row: Record<string, unknown>, r: number): [string, unknown] => {
    const raw = row[name] ?? null;
    const value = typeof raw === 'bigint' ? Number(raw) : raw;
    if (value === null ? optional : takes[type](value)) return [name, value];
    throw new InputError(
      `readTable expected ${type}${optional ? ' or null' : ''} in column ${name} of ${basename(path)}, ` +
        `got ${value === null ? 'null' : typeof value} (row ${r}): run headwater run again`,
    );
  };
}

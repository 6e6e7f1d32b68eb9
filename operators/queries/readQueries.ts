/** Reads the queries, whose completions' origins are traced, from JSON lines or Parquet. */
import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { InputError } from '../../schemas/errors.ts';
import type { Query } from '../../schemas/queries.ts';

/** A query as it stands in the file, and where: 'line 3' or 'row 2'. */
interface Entry {
  value: unknown;
  where: string;
}

/**
 * The queries of a .parquet file, or of JSON lines otherwise, in the file's order. Without a completion, or with null, the query's is ''
 * and to be generated. Fields other than id, prompt, completion, task, answers and steps are ignored. Throws InputError with the line
 * or row.
 */
export async function readQueries(path: string): Promise<Query[]> {
  const entries = /\.parquet$/i.test(path) ? await readParquet(path) : await readJsonLines(path);
  if (entries.length === 0)
    throw new InputError(
      `readQueries expected at least one query in ${path}, found none: give one {id, prompt, completion?} a line`,
    );
  const queries = entries.map((entry) => parseQuery(entry, path));
  refuseRepeats(queries, entries, path);
  return queries;
}

async function readJsonLines(path: string): Promise<Entry[]> {
  const bytes = await readFile(path).catch((cause: Error) => refuseFile(path, cause));
  if (!isUtf8(bytes)) throw new InputError(`readQueries expected UTF-8 in ${path}: save it as UTF-8`);
  const lines = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split('\n');
  return lines
    .map((line, i) => ({ line, where: `line ${i + 1}` }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, where }) => ({ value: parseLine(line, where, path), where }));
}

function parseLine(line: string, where: string, path: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new InputError(
      `readQueries expected one JSON object a line in ${path}, ${where}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

async function readParquet(path: string): Promise<Entry[]> {
  try {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
    return rows.map((value, row) => ({ value, where: `row ${row}` }));
  } catch (cause) {
    return refuseFile(path, cause as Error);
  }
}

function refuseFile(path: string, cause: Error): never {
  throw new InputError(`readQueries could not read ${path}: ${cause.message}`, { cause });
}

function parseQuery({ value, where }: Entry, path: string): Query {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(
      `readQueries expected an object {id, prompt, completion?} in ${path}, ${where}, found ${shown(value)}`,
    );
  const fields = value as Record<string, unknown>;
  const refuse = (name: string, expected: string, next: string): never => {
    throw new InputError(
      `readQueries expected ${expected} as "${name}" in ${path}, ${where}, found ${shown(fields[name])}${next}`,
    );
  };
  const text = (name: string): string => {
    const field = fields[name];
    return typeof field === 'string' ? field : refuse(name, 'text', '');
  };
  const textIfGiven = (name: string): string => (fields[name] === undefined || fields[name] === null ? '' : text(name));
  const list = (name: string): string[] => {
    const field = fields[name] ?? [];
    return Array.isArray(field) && field.every((item) => typeof item === 'string')
      ? field
      : refuse(name, 'a list of texts', '');
  };
  if (fields.completion === '')
    refuse('completion', 'a text that is not empty', ': leave the field out to have the model write it');
  const id = text('id');
  if (id === '') refuse('id', 'a text that is not empty', '');
  return {
    id,
    prompt: text('prompt'),
    completion: textIfGiven('completion'),
    task: textIfGiven('task'),
    answers: list('answers'),
    steps: list('steps'),
  };
}

function refuseRepeats(queries: Query[], entries: Entry[], path: string): void {
  const first = new Map<string, string>();
  queries.forEach(({ id }, q) => {
    const { where } = entries[q];
    if (first.has(id))
      throw new InputError(
        `readQueries expected ids that differ in ${path}, found ${shown(id)} on ${first.get(id)} and ${where}`,
      );
    first.set(id, where);
  });
}

/** A value as an error shows it: shortened JSON, 'nothing' where the field is missing. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  const json = JSON.stringify(value, (_key, inner) => (typeof inner === 'bigint' ? `${inner}` : inner));
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readQueries } from '../../../operators/queries/readQueries.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'queries-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function lines(...values: (string | object)[]): Promise<string> {
  const path = join(folder, 'queries.jsonl');
  await writeFile(path, values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join('\n'));
  return path;
}

/** The rows of a query as DuckDB writes them. */
async function parquet(sql: string): Promise<string> {
  const path = join(folder, 'queries.PARQUET');
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`);
  connection.closeSync();
  return path;
}

const one = { id: 'a', prompt: 'What?', completion: ' That.' };

describe('readQueries', () => {
  test('reads JSON lines in order, fills in what is left out and ignores other fields', async () => {
    const full = { ...one, id: 'b', task: 'slope', answers: ['3'], steps: ['divide'], note: { any: 'thing' } };
    expect(await readQueries(await lines(one, '', full, '  ', { ...one, id: 'c', task: null, answers: null }))).toEqual(
      [
        { ...one, task: '', answers: [], steps: [] },
        { ...one, id: 'b', task: 'slope', answers: ['3'], steps: ['divide'] },
        { ...one, id: 'c', task: '', answers: [], steps: [] },
      ],
    );
  });

  test('takes a byte-order mark, CRLF, an empty prompt and any letters', async () => {
    const odd = { id: '日本 "x"', prompt: '', completion: '\u2028😀\n' };
    const path = join(folder, 'queries.jsonl');
    await writeFile(path, `\ufeff${JSON.stringify(one)}\r\n${JSON.stringify(odd)}\r\n`);
    expect((await readQueries(path)).map(({ completion }) => completion)).toEqual([' That.', '\u2028😀\n']);
  });

  test('reads the same queries from Parquet', async () => {
    const path = await parquet(`SELECT * FROM (VALUES
      ('a', 'What?', ' That.', 'slope', ['3', 'three'], 2024), ('b', 'What?', ' That.', NULL, NULL, NULL)
    ) AS t(id, prompt, completion, task, answers, year)`);
    expect(await readQueries(path)).toEqual([
      { ...one, task: 'slope', answers: ['3', 'three'], steps: [] },
      { ...one, id: 'b', task: '', answers: [], steps: [] },
    ]);
  });

  test('names the row of a Parquet file', async () => {
    const path = await parquet(`SELECT 5::BIGINT AS id, 'What?' AS prompt, ' That.' AS completion`);
    await expect(readQueries(path)).rejects.toThrow(/expected text as "id" in .*queries\.PARQUET, row 0, found "5"/);
  });

  test('leaves a completion that is missing or null to the model', async () => {
    const { completion: _, ...alone } = one;
    const path = await lines(one, { ...alone, id: 'b' }, { ...one, id: 'c', completion: null });
    expect((await readQueries(path)).map(({ completion }) => completion)).toEqual([' That.', '', '']);
    const rows = await parquet(
      `SELECT * FROM (VALUES ('a', 'What?', NULL), ('b', 'What?', ' That.')) AS t(id, prompt, completion)`,
    );
    expect((await readQueries(rows)).map(({ completion }) => completion)).toEqual(['', ' That.']);
  });

  test.each([
    [
      'an empty completion',
      [{ ...one, completion: '' }],
      /text that is not empty as "completion" in .* line 1, found "": leave the field out to have the model write it/,
    ],
    [
      'a completion that is a number',
      [{ ...one, completion: 7 }],
      /expected text as "completion" in .* line 1, found 7/,
    ],
    ['a missing prompt', [{ ...one, prompt: undefined }], /expected text as "prompt" in .* line 1, found nothing/],
    ['an id that is a number', [{ ...one, id: 3 }], /expected text as "id" in .* line 1, found 3/],
    ['an empty id', [{ ...one, id: '' }], /text that is not empty as "id"/],
    [
      'answers that are a text',
      [{ ...one, answers: '3' }],
      /expected a list of texts as "answers" in .* line 1, found "3"/,
    ],
    [
      'steps that are numbers',
      [{ ...one, steps: [1] }],
      /expected a list of texts as "steps" in .* line 1, found \[1\]/,
    ],
    ['a task that is an object', [{ ...one, task: {} }], /expected text as "task"/],
    ['a line that is not JSON', [one, '', '{"id":'], /expected one JSON object a line in .*queries\.jsonl, line 3: /],
    ['a line that is a list', ['[1]'], /expected an object \{id, prompt, completion\?\} in .* line 1, found \[1\]/],
    ['a line that is null', ['null'], /expected an object .* line 1, found nothing/],
    ['an id used twice', [one, { ...one, id: 'b' }, one], /ids that differ in .*, found "a" on line 1 and line 3/],
    ['an empty file', [], /expected at least one query in .*queries\.jsonl, found none/],
    ['a file of blank lines', ['', ' '], /expected at least one query/],
  ])('refuses %s', async (_title, values, message) => {
    const path = await lines(...(values as (string | object)[]));
    await expect(readQueries(path)).rejects.toThrow(message);
    await expect(readQueries(path)).rejects.toMatchObject({ exitCode: 3 });
  });

  test('refuses a file that is missing, not UTF-8, or not Parquet', async () => {
    await expect(readQueries(join(folder, 'absent.jsonl'))).rejects.toThrow(/could not read .*absent\.jsonl: ENOENT/);
    await writeFile(join(folder, 'latin.jsonl'), Buffer.from([0x7b, 0xe9, 0x7d]));
    await expect(readQueries(join(folder, 'latin.jsonl'))).rejects.toThrow(/expected UTF-8 in .*latin\.jsonl/);
    await writeFile(join(folder, 'bad.parquet'), 'no such thing');
    await expect(readQueries(join(folder, 'bad.parquet'))).rejects.toThrow(/could not read .*bad\.parquet: /);
  });
});

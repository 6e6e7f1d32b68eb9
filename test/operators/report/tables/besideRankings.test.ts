import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answersFound, answerTasks } from '../../../../operators/accumulators/answersFound.ts';
import { nearDuplicates } from '../../../../operators/accumulators/nearDuplicates.ts';
import { sharedDocuments } from '../../../../operators/accumulators/sharedDocuments.ts';
import { answerColumns, answerRows, answerTaskColumns, answerTaskRows } from '../../../../operators/report/tables/answerRows.ts'; // biome-ignore format: one line
import { bm25Columns, bm25Rows } from '../../../../operators/report/tables/bm25Rows.ts';
import { documentColumns, documentRows } from '../../../../operators/report/tables/documentRows.ts';
import { duplicateColumns, duplicateRows } from '../../../../operators/report/tables/duplicateRows.ts';
import { sharedColumns, sharedRows } from '../../../../operators/report/tables/sharedRows.ts';
import { type Columns, writeTable } from '../../../../operators/report/writeTable.ts';
import type { TableRow } from '../../../../schemas/operators.ts';
import { documentsOf, queryOf, rankingOf } from '../../accumulators/ranking.ts';
import { readColumns, readRows } from '../duckdb.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headwater-beside-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The rows as DuckDB reads them back. */
async function readBack(columns: Columns, rows: Iterable<TableRow>): Promise<TableRow[]> {
  const path = join(folder, 'table.parquet');
  await writeTable(path, columns, rows);
  expect((await readColumns(path)).map(([name]) => name)).toEqual(Object.keys(columns));
  return (await readRows(path)) as TableRow[];
}

const texts = ['Paris is a city.', 'Rome is a city.', 'PARIS  is a city .', 'nothing'];
const documents = documentsOf(texts);
documents.set(1, { ...documents.get(1)!, source: 'wiki', kind: 'encyclopaedic' });
const files = ['a.parquet'];
const queries = [queryOf('facts', ['Paris', 'Lutetia'], ['a city']), { ...queryOf('facts'), id: 'other' }];
const top = rankingOf([[1, 0, 3], [0, 2]]); // biome-ignore format: a row a query
const bottom = rankingOf([[2], [1]]);
const byWords = rankingOf([[0, 2], [3]]); // biome-ignore format: a row a query

test('documents carry their kind, their BM25 and its rank, and their group of duplicates', async () => {
  const bm25 = (text: string) => Float64Array.of(text.length, 0.5);
  const duplicates = nearDuplicates({ top, bottom }, documents);
  const notes = { bm25, bm25Documents: byWords, duplicates };
  const rows = await readBack(documentColumns, documentRows(top, queries, documents, files, [], notes));
  expect(rows.map(({ kind, bm25, bm25_rank, duplicates }) => [kind, bm25, bm25_rank, duplicates])).toEqual([
    ['encyclopaedic', 15, null, null],
    [null, 16, 1, 1],
    [null, 7, null, null],
    [null, 0.5, null, 1],
    [null, 0.5, null, 1],
  ]);
});

test('bm25_documents name each document’s place by influence, null beyond its top k', async () => {
  const rows = await readBack(bm25Columns, bm25Rows(byWords, top, queries, documents, files));
  expect(rows[0]).toEqual({
    query_id: 'facts',
    rank: 1,
    bm25: 0,
    document_id: 'd0',
    source: null,
    kind: null,
    file: 'a.parquet',
    row: 0,
    text: texts[0],
    score: -1,
    influence_rank: 2,
  });
  expect(rows.map(({ query_id, rank, score, influence_rank }) => [query_id, rank, score, influence_rank])).toEqual([
    ['facts', 1, -1, 2],
    ['facts', 2, null, null],
    ['other', 1, null, null],
  ]);
  expect([...bm25Rows(rankingOf([]), top, queries, documents, files)]).toEqual([]);
});

test('answers name the first document that holds them, and answer_tasks count them', async () => {
  const found = await answersFound(top, queries, documents);
  const rows = await readBack(answerColumns, answerRows(found, queries, documents, files));
  const first = { document_id: 'd0', file: 'a.parquet', row: 0 };
  const none = { rank: null, document_id: null, file: null, row: null };
  const facts = { query_id: 'facts', task: 'facts', depth: 3 };
  expect(rows).toEqual([
    { ...facts, what: 'answer', text: 'Paris', found: true, rank: 2, ...first, documents: 1 },
    { ...facts, what: 'answer', text: 'Lutetia', found: false, ...none, documents: 0 },
    { ...facts, what: 'step', text: 'a city', found: true, rank: 1, ...first, document_id: 'd1', row: 1, documents: 2 },
  ]);
  expect(await readBack(answerTaskColumns, answerTaskRows(answerTasks(found, queries)))).toEqual([
    {
      task: 'facts',
      depth: 3,
      queries: 1,
      answers_found: 1,
      queries_with_steps: 1,
      any_step_found: 1,
      all_steps_found: 1,
    },
  ]);
});

test('shared_documents name the documents of two or more queries of a task', async () => {
  const shared = sharedDocuments(top, ['facts', 'facts']);
  expect(await readBack(sharedColumns, sharedRows(shared, documents, files))).toEqual([
    {
      document_id: 'd0',
      source: null,
      kind: null,
      file: 'a.parquet',
      row: 0,
      task: 'facts',
      queries: 2,
      of: 2,
      depth: 3,
    },
  ]);
});

test('duplicates name the documents of each group', async () => {
  const rows = await readBack(duplicateColumns, duplicateRows(nearDuplicates({ top, bottom }, documents), documents, files)); // biome-ignore format: one line
  const place = { group: 1, source: null, file: 'a.parquet', exact: true, similarity: 1 };
  expect(rows).toEqual([
    { ...place, document_id: 'd0', row: 0, rankings: 2 },
    { ...place, document_id: 'd2', row: 2, rankings: 2 },
  ]);
});

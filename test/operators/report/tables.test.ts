import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { topDocuments as foldOfTop } from '../../../operators/accumulators/topDocuments.ts';
import { correlationColumns, correlationRows } from '../../../operators/report/tables/correlationRows.ts';
import { documentColumns, documentRows } from '../../../operators/report/tables/documentRows.ts';
import { scoreColumns, scoreRows } from '../../../operators/report/tables/scoreRows.ts';
import { skippedColumns, skippedRows } from '../../../operators/report/tables/skippedRows.ts';
import { sourceColumns, sourceRows } from '../../../operators/report/tables/sourceRows.ts';
import { type Columns, writeTable } from '../../../operators/report/writeTable.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import { query, readColumns, readRows } from './duckdb.ts';
import {
  batch,
  documents,
  facts,
  files,
  queries,
  results,
  scoresOf,
  skipped,
  sourceOf,
  texts,
  topK,
} from './smallRun.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headwater-tables-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const written = async (name: string, columns: Columns, rows: Iterable<TableRow>): Promise<string> => {
  const path = join(folder, `${name}.parquet`);
  await writeTable(path, columns, rows);
  return path;
};

const { topDocuments, correlations, sourceCounts } = results();

describe('top_documents and bottom_documents', () => {
  test('hold the ranked documents with id, source, file, row and text', async () => {
    const path = await written('top', documentColumns, documentRows(topDocuments.top, queries, documents, files));
    const rows = await readRows(path);
    expect(rows.length).toBe(queries.length * topK);
    expect(rows[0]).toEqual({
      query_id: 'capital',
      rank: 1,
      score: 7,
      document_id: 'd1',
      source: 'wiki',
      file: 'corpus/part-1.parquet',
      row: 1,
      text: texts[11],
      // Nothing was explained.
      token_concentration: null,
      one_token: null,
      kind: null,
      bm25: null,
      bm25_rank: null,
      duplicates: null,
    });
    expect(rows.slice(0, 4).map(({ rank, score }) => [rank, score])).toEqual([[1, 7], [2, 6], [3, 5], [4, 4]]); // biome-ignore format: a table
    expect(rows.slice(8).map(({ row }) => row)).toEqual([0, 1, 2, 3]);
    const bottom = await written(
      'bottom',
      documentColumns,
      documentRows(topDocuments.bottom, queries, documents, files),
    );
    expect((await readRows(bottom)).slice(0, 2).map(({ score }) => score)).toEqual([-4, -3]);
  });

  test('hold null as source where no source column is configured', async () => {
    const unsourced = new Map([...documents].map(([key, document]) => [key, { ...document, source: null }]));
    const path = await written('unsourced', documentColumns, documentRows(topDocuments.top, queries, unsourced, files));
    expect((await readRows(path)).every(({ source }) => source === null)).toBe(true);
  });

  test('refuse a ranking whose document was not read again', () => {
    const some = new Map([...documents].filter(([key]) => key !== 11));
    expect(() => [...documentRows(topDocuments.top, queries, some, files)]).toThrow(
      'the report expected every ranked document to have been read again, got none with key 11',
    );
  });
});

test('correlations hold a row per pair, and null for the query whose scores are all equal', async () => {
  const path = await written('correlations', correlationColumns, correlationRows(correlations, queries));
  const rows = await readRows(path);
  expect(rows.map(({ query_a, query_b, n }) => [query_a, query_b, n])).toEqual([
    ['capital', 'slope', 11],
    ['capital', 'flat', 11],
    ['slope', 'flat', 11],
  ]);
  const [{ r }] = await query(
    `SELECT corr(a.score, b.score) AS r FROM read_parquet({path}) a JOIN read_parquet({path}) b USING (file, row)
     WHERE a.query_id = 'capital' AND b.query_id = 'slope'`,
    await written('scores', scoreColumns, scoreRows(batch, queries, files)),
  );
  expect(rows[0].r).toBeCloseTo(r as number, 12);
  expect(rows[0]).toMatchObject({ p: correlations.p[0], significant: false });
  expect(rows[1]).toMatchObject({ r: null, p: null, significant: null });
});

describe('sources', () => {
  const rows = [...sourceRows(topDocuments, sourceCounts, queries, documents, topK)];

  test('count each source in every ranking, against its share of the corpus', () => {
    expect(rows.filter(({ query_id }) => query_id === 'capital')).toEqual([
      {
        query_id: 'capital',
        source: 'wiki',
        k: 4,
        documents: 7,
        share_of_corpus: 7 / 11,
        in_top_k: 3,
        top_ratio: 3 / 4 / (7 / 11),
        in_bottom_k: 2,
        bottom_ratio: 2 / 4 / (7 / 11),
        // of the 330 ways to draw 4 of 11: with 3 or 4 of the 7, and with 2 or more
        top_p: expect.closeTo((35 * 4 + 35) / 330, 12),
        bottom_p: expect.closeTo((21 * 6 + 35 * 4 + 35) / 330, 12),
      },
      {
        query_id: 'capital',
        source: 'code',
        k: 4,
        documents: 4,
        share_of_corpus: 4 / 11,
        in_top_k: 1,
        top_ratio: 1 / 4 / (4 / 11),
        in_bottom_k: 2,
        bottom_ratio: 2 / 4 / (4 / 11),
        top_p: expect.closeTo(1 - 35 / 330, 12),
        bottom_p: expect.closeTo((6 * 21 + 4 * 7 + 1) / 330, 12),
      },
    ]);
  });

  test('agree with a count over the dense scores', async () => {
    const path = await written('sources', sourceColumns, rows);
    expect((await readColumns(path)).map(([name]) => name)).toEqual(Object.keys(sourceColumns));
    for (const row of await readRows(path)) {
      const q = queries.findIndex(({ id }) => id === row.query_id);
      const ranked = [...batch.key].sort((a, b) => scoresOf(b)[q] - scoresOf(a)[q] || a - b).slice(0, topK);
      expect(row.in_top_k).toBe(ranked.filter((key) => sourceOf(key) === row.source).length);
    }
  });

  test('take the number of documents for k where there are fewer', () => {
    const deep = { ...facts, topK: 500 };
    const state = foldOfTop.empty(undefined, deep);
    foldOfTop.add(state, batch);
    const deepest = [...sourceRows(foldOfTop.result(state), sourceCounts, queries, documents, 500)].slice(-2);
    expect(deepest).toMatchObject([
      { k: 500, in_top_k: 7, top_ratio: 1, top_p: 1, in_bottom_k: 7, bottom_ratio: 1, bottom_p: 1 },
      { k: 500, in_top_k: 4, top_ratio: 1, top_p: 1, in_bottom_k: 4, bottom_ratio: 1, bottom_p: 1 },
    ]);
  });

  test('say null for what was not counted when there are too many sources', () => {
    const givenUp = { ...sourceCounts, givenUp: true, sources: [] };
    expect([...sourceRows(topDocuments, givenUp, queries, documents, topK)].slice(0, 2)).toMatchObject([
      { source: 'code', documents: null, share_of_corpus: null, in_top_k: 1, top_ratio: null },
      { source: 'wiki', documents: null, share_of_corpus: null, in_top_k: 3, top_ratio: null },
    ]);
  });

  test('have no rows where no source column is configured', () => {
    expect([...sourceRows(topDocuments, { ...sourceCounts, sources: [] }, queries, documents, topK)]).toEqual([]);
  });
});

test('skipped names file, row, id, reason and detail, and how many rows could not be read', async () => {
  const lost = {
    kind: 'lost' as const,
    file: 0,
    path: 'corpus/part-0.parquet',
    rowStart: 20,
    rowEnd: 50,
    reason: 'cut',
  };
  const path = await written('skipped', skippedColumns, skippedRows(skipped, [lost], files));
  const file = 'corpus/part-0.parquet';
  expect(await readRows(path)).toEqual([
    { file, row: 5, rows: 1, document_id: 'd5', reason: 'one token', detail: '' },
    { file, row: 20, rows: 30, document_id: null, reason: 'unreadable', detail: 'cut' },
  ]);
});

test('scores hold a row per document and query, in reading order, as float64', async () => {
  const path = await written('dense', scoreColumns, scoreRows(batch, queries, files));
  const rows = await readRows(path);
  expect(rows.length).toBe(33);
  expect(rows.slice(-3)).toEqual(
    queries.map(({ id }, q) => ({
      query_id: id,
      document_id: 'd1',
      score: scoresOf(11)[q],
      file: 'corpus/part-1.parquet',
      row: 1,
    })),
  );
});

test('the columns are those of the run folder’s description, with their types', async () => {
  const described = async (columns: Columns) => (await readColumns(await written('any', columns, []))).map(([n, t]) => `${n} ${t}`); // biome-ignore format: one line
  expect(await described(documentColumns)).toEqual([
    'query_id VARCHAR',
    'rank INTEGER',
    'score DOUBLE',
    'document_id VARCHAR',
    'source VARCHAR',
    'file VARCHAR',
    'row BIGINT',
    'text VARCHAR',
    'token_concentration DOUBLE',
    'one_token BOOLEAN',
    'kind VARCHAR',
    'bm25 DOUBLE',
    'bm25_rank INTEGER',
    'duplicates INTEGER',
  ]);
  expect((await described(correlationColumns)).slice(0, 5)).toEqual([
    'query_a VARCHAR',
    'query_b VARCHAR',
    'r DOUBLE',
    'p DOUBLE',
    'n BIGINT',
  ]);
  expect(await described(scoreColumns)).toEqual([
    'query_id VARCHAR',
    'document_id VARCHAR',
    'score DOUBLE',
    'file VARCHAR',
    'row BIGINT',
  ]);
});

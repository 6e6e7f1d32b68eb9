import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { influenceDistribution } from '../../../../operators/accumulators/influenceDistribution.ts';
import { influencePerNat } from '../../../../operators/accumulators/influencePerNat.ts';
import { powerLaw } from '../../../../operators/accumulators/powerLaw.ts';
import {
  correlationGroupColumns,
  correlationGroupRows,
} from '../../../../operators/report/tables/correlationGroupRows.ts';
import {
  influencePerNatColumns,
  influencePerNatRows,
  influencePerNatTaskColumns,
  influencePerNatTaskRows,
} from '../../../../operators/report/tables/influencePerNatRows.ts';
import {
  powerLawColumns,
  powerLawRows,
  powerLawTaskColumns,
  powerLawTaskRows,
} from '../../../../operators/report/tables/powerLawRows.ts';
import { sourceTaskColumns, sourceTaskRows } from '../../../../operators/report/tables/sourceRows.ts';
import { type Columns, writeTable } from '../../../../operators/report/writeTable.ts';
import type { TableRow } from '../../../../schemas/operators.ts';
import { readColumns, readRows } from '../duckdb.ts';
import { documents, folded, queries, results, topK } from '../smallRun.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headwater-statistics-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The rows as DuckDB reads them from the table, and its columns. */
async function written(columns: Columns, rows: Iterable<TableRow>) {
  const path = join(folder, 'table.parquet');
  await writeTable(path, columns, rows);
  const described = (await readColumns(path)).map(([name, type]) => `${name} ${type}`);
  return { rows: await readRows(path), columns: described };
}

const { topDocuments, correlations, sourceCounts } = results();
/** Two queries of one task; the third, whose scores are all equal, without. */
const tasked = queries.map((query, q) => ({ ...query, task: q === 2 ? '' : 'facts' }));

describe('correlationGroupRows', () => {
  it('are read back as the statistics of the pairs within and between tasks', async () => {
    const { rows, columns } = await written(correlationGroupColumns, correlationGroupRows(correlations, tasked));
    const [r] = correlations.r;
    expect(rows).toEqual([
      {
        task_a: 'facts',
        task_b: 'facts',
        pairs: 1,
        mean_r: r,
        median_r: r,
        sd_r: null,
        min_r: r,
        max_r: r,
        significant: 0,
        undefined: 0,
      },
    ]);
    expect(columns).toEqual([
      'task_a VARCHAR',
      'task_b VARCHAR',
      'pairs BIGINT',
      'mean_r DOUBLE',
      'median_r DOUBLE',
      'sd_r DOUBLE',
      'min_r DOUBLE',
      'max_r DOUBLE',
      'significant BIGINT',
      'undefined BIGINT',
    ]);
  });

  it('say null of r where no pair of the group has one', () => {
    const own = queries.map((query, q) => ({ ...query, task: ['a', '', 'b'][q] }));
    expect([...correlationGroupRows(correlations, own)]).toEqual([
      {
        task_a: 'a',
        task_b: 'b',
        pairs: 1,
        mean_r: null,
        median_r: null,
        sd_r: null,
        min_r: null,
        max_r: null,
        significant: 0,
        undefined: 1,
      },
    ]);
  });
});

describe('influencePerNatRows and influencePerNatTaskRows', () => {
  const shares = influencePerNat(topDocuments, folded(influenceDistribution), [2, 4, null]);

  it('hold the influence of each share of the positively ranked documents, and its spread over a task', async () => {
    const { rows, columns } = await written(influencePerNatColumns, influencePerNatRows(shares, tasked));
    const ofCapital = rows.filter(({ query_id }) => query_id === 'capital');
    // 7, 6, 5, 4, 3 and 2: the document that would score 1 was set aside
    expect(
      ofCapital.map(({ percent, documents, influence, per_nat }) => [percent, documents, influence, per_nat]),
    ).toEqual([
      [20, 2, 13, 6.5],
      [50, 3, 18, 9],
      [100, 6, 27, 13.5],
    ]);
    expect(rows.filter(({ query_id }) => query_id === 'flat').every(({ per_nat, task }) => per_nat === null && task === '')).toBe(true); // biome-ignore format: one line
    expect(columns).toEqual([
      'query_id VARCHAR',
      'task VARCHAR',
      'percent DOUBLE',
      'documents BIGINT',
      'influence DOUBLE',
      'per_nat DOUBLE',
    ]);
    const tasks = await written(influencePerNatTaskColumns, influencePerNatTaskRows(shares, tasked));
    const [whole] = tasks.rows.filter(({ percent }) => percent === 100);
    const [a, b] = rows.filter(({ percent, per_nat }) => percent === 100 && per_nat !== null).map((row) => row.per_nat as number); // biome-ignore format: one line
    expect(whole).toEqual({
      task: 'facts',
      percent: 100,
      queries: 2,
      mean: (a + b) / 2,
      standard_deviation: expect.closeTo(Math.abs(a - b) / Math.SQRT2, 12),
      coefficient_of_variation: expect.closeTo((Math.abs(a - b) / (a + b)) * Math.SQRT2, 12),
      min: Math.min(a, b),
      max: Math.max(a, b),
    });
    expect(tasks.columns.slice(2)).toEqual([
      'queries INTEGER',
      'mean DOUBLE',
      'standard_deviation DOUBLE',
      'coefficient_of_variation DOUBLE',
      'min DOUBLE',
      'max DOUBLE',
    ]);
  });
});

describe('powerLawRows and powerLawTaskRows', () => {
  const laws = powerLaw(topDocuments, queries.length);

  it('hold the line of each query, null for equal scores, and its mean over a task', async () => {
    const { rows, columns } = await written(powerLawColumns, powerLawRows(laws, tasked));
    expect(rows[0]).toEqual({
      query_id: 'capital',
      task: 'facts',
      documents: 4,
      slope: laws[0].line!.slope,
      intercept: laws[0].line!.intercept,
      standard_error: laws[0].line!.standardError,
      r_squared: laws[0].line!.rSquared,
    });
    expect(rows[2]).toEqual({
      query_id: 'flat',
      task: '',
      documents: 4,
      slope: null,
      intercept: null,
      standard_error: null,
      r_squared: null,
    });
    expect(columns[2]).toBe('documents INTEGER');
    const tasks = await written(powerLawTaskColumns, powerLawTaskRows(laws, tasked));
    const [a, b] = laws.map(({ line }) => line!);
    expect(tasks.rows).toEqual([
      {
        task: 'facts',
        queries: 2,
        mean_slope: (a.slope + b.slope) / 2,
        sd_slope: expect.closeTo(Math.abs(a.slope - b.slope) / Math.SQRT2, 12),
        mean_r_squared: (a.rSquared + b.rSquared) / 2,
      },
    ]);
  });
});

describe('sourceTaskRows', () => {
  it('are read back as they are', async () => {
    const made = [...sourceTaskRows(topDocuments, sourceCounts, tasked, documents, topK)];
    const { rows } = await written(sourceTaskColumns, made);
    expect(rows).toEqual(made);
  });
});

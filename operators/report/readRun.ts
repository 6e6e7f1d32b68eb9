/** Reads a run folder, run.json and its tables, into the model of the report; tables that a run lacks are said to be left out. */
import { join } from 'node:path';
import { columnsRead, type RunTables, type TableName } from './reading/columns.ts';
import { findLeftOut } from './reading/findLeftOut.ts';
import { giveAnswers } from './reading/giveAnswers.ts';
import { DocumentIndex, readRankings } from './reading/readRankings.ts';
import { readStatistics } from './reading/readStatistics.ts';
import { readRunFacts } from './reading/runFacts.ts';
import { readTable } from './readTable.ts';
import type { ReportModel } from './reportModel.ts';

/** Throws InputError for a folder that is no run's, or holds a table that cannot be read. */
export async function readRun(folder: string): Promise<ReportModel> {
  const { run, queries } = await readRunFacts(folder);
  const tables = await readTables(folder);
  const queryPlaces = new Map(queries.map(({ id }, q) => [id, q]));
  const index = new DocumentIndex();
  const rankings = readRankings(tables, queryPlaces, index);
  const statistics = readStatistics(tables, queryPlaces, index);
  const model: ReportModel = {
    format: 1,
    run,
    tasks: [...new Set(queries.map(({ task }) => task))].filter((task) => task !== ''),
    queries: giveAnswers(queries, statistics.answers),
    documents: index.documents,
    rankings,
    ...statistics,
    leftOut: [],
    trimmed: [],
  };
  return { ...model, leftOut: findLeftOut(model, tables) };
}

/** One after the other, so that the raw rows of one alone are in memory. */
async function readTables(folder: string): Promise<RunTables> {
  const tables: Partial<Record<TableName, unknown>> = {};
  for (const [name, columns] of Object.entries(columnsRead))
    tables[name as TableName] = await readTable(join(folder, `${name}.parquet`), columns);
  return tables as RunTables;
}

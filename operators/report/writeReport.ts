/** Writes a run's report from its tables: report.html, one page that opens offline, and report.json with all that it is made from. */
import { join } from 'node:path';
import { writeText } from '../files/wholeFile.ts';
import { renderReport } from './page/renderReport.ts';
import { readRun } from './readRun.ts';
import type { Finding, ReportModel } from './reportModel.ts';

export interface WrittenReport {
  /** Paths. */
  html: string;
  json: string;
  /** Of the page. */
  bytes: number;
  /** As findings.parquet has them; none of a run that is older than that table. */
  findings: Finding[];
}

/** Throws InputError for a folder that is no run's, ResourceError where the files cannot be written. */
export async function writeReport(folder: string): Promise<WrittenReport> {
  const model = await readRun(folder);
  const html = join(folder, 'report.html');
  const json = join(folder, 'report.json');
  const page = renderReport(model);
  await writeText(json, jsonPieces(model));
  await writeText(html, [page]);
  return { html, json, bytes: Buffer.byteLength(page), findings: model.findings };
}

/** Lists element by element: the texts of many queries' documents make a string longer than one may be. */
function* jsonPieces(model: ReportModel): Generator<string> {
  let before = '{';
  for (const [name, value] of Object.entries(model)) {
    yield `${before}\n${JSON.stringify(name)}: `;
    if (Array.isArray(value)) yield* listPieces(value);
    else yield JSON.stringify(value);
    before = ',';
  }
  yield '\n}\n';
}

function* listPieces(list: unknown[]): Generator<string> {
  yield '[';
  for (const [i, item] of list.entries()) yield `${i > 0 ? ',' : ''}\n  ${JSON.stringify(item)}`;
  yield ']';
}

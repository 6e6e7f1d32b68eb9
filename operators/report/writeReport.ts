/** Writes a run's report from its tables: report.html, one page that opens offline, and report.json with all that it is made from. */
import { join } from 'node:path';
import { openWholeFile } from '../files/wholeFile.ts';
import { renderReport } from './page/renderReport.ts';
import { readRun } from './readRun.ts';
import type { ReportModel } from './reportModel.ts';

export interface WrittenReport {
  /** Paths. */
  html: string;
  json: string;
  /** Of the page. */
  bytes: number;
}

/** Throws InputError for a folder that is no run's, ResourceError where the files cannot be written. */
export async function writeReport(folder: string): Promise<WrittenReport> {
  const model = await readRun(folder);
  const html = join(folder, 'report.html');
  const json = join(folder, 'report.json');
  const page = renderReport(model);
  await writeWhole(json, jsonPieces(model));
  await writeWhole(html, [page]);
  return { html, json, bytes: Buffer.byteLength(page) };
}

async function writeWhole(path: string, pieces: Iterable<string>): Promise<void> {
  const file = await openWholeFile(path);
  try {
    for (const piece of pieces) await file.write(piece);
    await file.commit();
  } finally {
    await file.abandon();
  }
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

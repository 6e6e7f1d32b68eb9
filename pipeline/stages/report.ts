/** The report stage: the page and its JSON made again from a run folder's tables. */
import { join } from 'node:path';
import { type Finding, findingLines } from '../../operators/report/findings.ts';
import { readTable } from '../../operators/report/readTable.ts';
import { writeReport } from '../../operators/report/writeReport.ts';
import { bytesText } from '../terminal/bytesText.ts';

/** Throws InputError for a folder that is no run's. */
export async function reportStage(folder: string): Promise<{ summary: string }> {
  const report = await writeReport(folder);
  const found = await readTable(join(folder, 'findings.parquet'), shown);
  return { summary: reportLines(report, (found ?? []) as Finding[]).join('\n') };
}

const shown = {
  number: 'int32',
  finding: 'string',
  figure: 'string',
  paper: 'string',
  verdict: 'string',
  reason: 'string',
} as const;

/** The findings, a line each, and where the report is. */
export function reportLines({ html, bytes }: { html: string; bytes: number }, found: readonly Finding[]): string[] {
  return [...findingLines(found), `report: ${html} (${bytesText(bytes)})`];
}

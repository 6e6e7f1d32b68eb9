/** The report stage: the page and its JSON made again from a run folder's tables. */
import { findingLines } from '../../operators/report/findings.ts';
import { type WrittenReport, writeReport } from '../../operators/report/writeReport.ts';
import { bytesText } from '../terminal/bytesText.ts';

/** Throws InputError for a folder that is no run's. */
export async function reportStage(folder: string): Promise<{ summary: string }> {
  return { summary: reportLines(await writeReport(folder)).join('\n') };
}

/** The findings, a line each, and where the report is. */
export function reportLines({ html, bytes, findings }: WrittenReport): string[] {
  return [...findingLines(findings), `report: ${html} (${bytesText(bytes)})`];
}

/** Prints what a bench found: the machine, then a Markdown table; and the same as JSON where a file is named. */
import { writeFile } from 'node:fs/promises';
import { type BenchMachine, machineLines } from './machine.ts';

export type ReportRow = Record<string, string | number>;

export interface Report {
  title: string;
  machine: BenchMachine;
  rows: ReportRow[];
  /** What the table does not say: how it was measured, the verdict. */
  notes: string[];
  /** Goes into the JSON only: the single measurements. */
  raw?: unknown;
}

export async function printReport(report: Report, jsonFile?: string): Promise<void> {
  const { title, machine, rows, notes } = report;
  const below = notes.map((note) => `- ${note}`).join('\n');
  console.log(`\n## ${title}\n\n${machineLines(machine)}\n\n${markdownTable(rows)}\n\n${below}\n`);
  if (jsonFile) await writeFile(jsonFile, `${JSON.stringify(report, null, 2)}\n`);
}

/** The columns are those of the first row. */
export function markdownTable(rows: ReportRow[]): string {
  const columns = Object.keys(rows[0]);
  const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map((row) => line(columns.map((c) => row[c])))].join(
    '\n',
  );
}

/** `12.3 (11.9–12.8)`: median, lowest and highest. */
export function medianAndRange(values: number[], digits: number): string {
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`;
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle) - 1]) / 2;
}

export const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** What a run of the tests says of a row of the fault table: kept, broken, or not run. */
import type { FaultRow } from './faultTable.ts';

/** One test as Vitest reports it; `file` is relative to the repository. */
export interface TestResult {
  file: string;
  title: string;
  status: 'passed' | 'failed' | 'skipped' | 'pending' | 'todo' | 'disabled';
}

export interface RowOutcome {
  outcome: 'kept' | 'broken' | 'not run';
  /** Tests that ran. */
  tests: number;
  /** Those that failed; where none did, those that did not run. */
  missed: string[];
}

/** Kept: every test that the row names ran, and all of them passed. */
export function outcomeOf(row: Pick<FaultRow, 'tests'>, results: readonly TestResult[]): RowOutcome {
  const named = Object.entries(row.tests).flatMap(([file, titles]) =>
    titles.map((title) => ({ name: `${file}: ${title}`, ran: resultsOf(file, title, results) })),
  );
  const ran = [...new Set(named.flatMap((test) => test.ran))];
  const failed = ran.filter(({ status }) => status === 'failed').map(({ file, title }) => `${file}: ${title}`);
  if (failed.length > 0) return { outcome: 'broken', tests: ran.length, missed: failed };
  const missed = named.filter((test) => test.ran.length === 0).map(({ name }) => name);
  return { outcome: missed.length > 0 ? 'not run' : 'kept', tests: ran.length, missed };
}

function resultsOf(file: string, title: string, results: readonly TestResult[]): TestResult[] {
  const pattern = titlePattern(title);
  return results.filter(
    (result) =>
      result.file === file &&
      /^(passed|failed)$/.test(result.status) &&
      (result.title === title || pattern.test(result.title)),
  );
}

/** Matches what Vitest makes of a title: `%s`, `$name` and `${…}` are filled in. */
export function titlePattern(title: string): RegExp {
  const parts = title
    .split(/%[sdifjoO#$]|\$\{[^}]*\}|\$[\w.]+/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[\\s\\S]*')}$`);
}

/**
 * Runs the tests behind the fault table and prints each promise with what came of it:
 *   npm run faults              all rows
 *   npm run faults -- 4 24      some rows; the others keep what their last run said
 *   npm run faults -- --last    what the last run said, running nothing
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type FaultRow, faultTable } from '../test/faults/faultTable.ts';
import { outcomeOf, type RowOutcome, type TestResult, titlePattern } from '../test/faults/outcomes.ts';
import { type BenchMachine, describeMachine, machineLines } from './machine.ts';
import { markdownTable } from './report.ts';

const root = dirname(import.meta.dirname);
const lastRun = join(import.meta.dirname, 'faults.json');

/** What is kept of the last run of each row. */
interface FaultReport {
  machine: BenchMachine;
  /** Of the last run, which may have been of some rows. */
  seconds: number;
  rows: (RowOutcome & { number: number; date: string; commit: string })[];
}

const { values, positionals } = parseArgs({ options: { last: { type: 'boolean' } }, allowPositionals: true });
const report = values.last ? await readLast() : await runRows(chosenRows(positionals));
if (!report) throw new Error(`--last expected ${lastRun}, which a run writes: run npm run faults first`);
print(report);
if (report.rows.some(({ outcome }) => outcome === 'broken')) process.exitCode = 1;

function chosenRows(numbers: string[]): FaultRow[] {
  const unknown = numbers.find((number) => !faultTable.some((row) => String(row.number) === number));
  if (unknown)
    throw new Error(`expected numbers of rows, ${faultTable.map(({ number }) => number).join(', ')}, got ${unknown}`);
  return numbers.length === 0 ? faultTable : faultTable.filter(({ number }) => numbers.includes(String(number)));
}

async function readLast(): Promise<FaultReport | null> {
  const text = await readFile(lastRun, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as FaultReport);
}

async function runRows(chosen: FaultRow[]): Promise<FaultReport> {
  const machine = describeMachine();
  const start = performance.now();
  const results = await runTests(chosen);
  const seconds = Math.round((performance.now() - start) / 1000);
  const { date, commit } = machine;
  const before = (await readLast())?.rows ?? [];
  const rows = faultTable.flatMap((row) => {
    const { number } = row;
    if (chosen.includes(row)) return [{ number, ...outcomeOf(row, results), date, commit }];
    return before.filter((earlier) => earlier.number === number);
  });
  const report = { machine, seconds, rows };
  await writeFile(lastRun, `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

/** The tests of the rows, as Vitest's JSON reporter has them. */
async function runTests(chosen: FaultRow[]): Promise<TestResult[]> {
  const files = [...new Set(chosen.flatMap(({ tests }) => Object.keys(tests)))];
  const titles = chosen.flatMap(({ tests }) => Object.values(tests).flat());
  const named = titles.map((title) => titlePattern(title).source.slice(1)).join('|');
  const folder = await mkdtemp(join(tmpdir(), 'headwater-faults-'));
  const output = join(folder, 'results.json');
  try {
    await vitest([
      ...files,
      '--testNamePattern',
      named,
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${output}`,
    ]);
    const { testResults } = JSON.parse(await readFile(output, 'utf8')) as { testResults: FileResult[] };
    return testResults.flatMap(({ name, assertionResults }) =>
      assertionResults.map(({ title, status }) => ({ file: relative(root, name), title, status })),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface FileResult {
  name: string;
  assertionResults: Omit<TestResult, 'file'>[];
}

/** Resolves also where tests fail: what failed stands in the results. */
function vitest(args: string[]): Promise<void> {
  const program = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const timeouts = ['--testTimeout=120000', '--hookTimeout=120000'];
  const child = spawn(process.execPath, [program, 'run', ...timeouts, ...args], { cwd: root, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => resolve());
  });
}

function print({ machine, seconds, rows }: FaultReport): void {
  const byNumber = new Map(rows.map((row) => [row.number, row]));
  const lines = faultTable.map(({ number, fault, promise, commands = [] }) => {
    const ran = byNumber.get(number);
    const when = ran ? `${ran.date}, ${ran.commit}` : '';
    const outcome = ran?.outcome ?? 'not run';
    return { '#': number, fault, promise, outcome, tests: ran?.tests ?? 0, also: commands.join(', '), when };
  });
  const count = (outcome: string) => lines.filter((line) => line.outcome === outcome).length;
  console.log(`\n## When things go wrong\n\n${machineLines(machine)}\n- last run: ${seconds} s\n`);
  console.log(markdownTable(lines));
  console.log(`\n${count('kept')} rows kept, ${count('broken')} broken, ${count('not run')} not run`);
  for (const { number, outcome, missed } of rows)
    for (const test of missed)
      console.log(`- row ${number}, ${outcome === 'broken' ? 'failed' : 'did not run'}: ${test}`);
}

/**
 * The nth write, flush, rename or removal of a short run fails, for every n: `npx tsx bench/failNth.ts`. In real processes, with nothing
 * cached and with everything cached, and in the supervisor alone: an I/O error at that call, a full disk from it on, the process killed in
 * it with half of the write done. The run must end with exit code 6 and the path, and the same command must then give the bytes of an
 * undisturbed run; no file may ever stand half written under its name. Ends with 1 where that fails.
 * `--every N` tries each Nth call, from a drawn first one (`--seed`), `--jobs N`, `--json FILE`.
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openUniform } from '../operators/curvature/sampleUniform.ts';
import type { Fault } from '../test/fixtures/failNth.ts';
import { type Ending, faultsOfEnding, faultsOfResuming, type Place } from '../test/fixtures/faultyRuns.ts';
import { describeMachine } from './machine.ts';
import { printReport, type ReportRow } from './report.ts';

const { values: options } = parseArgs({
  options: {
    every: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});
const every = Number(options.every);

/** Which calls count: those of the one process that does it all, or those of the supervisor alone. */
const runs = {
  'nothing cached': { cached: false, flags: ['--no-supervisor'] },
  'everything cached': { cached: true, flags: ['--no-supervisor'] },
  'the supervisor’s own': { cached: true, flags: [], only: 'first' as const },
} satisfies Record<string, { cached: boolean; flags: string[]; only?: Fault['only'] }>;
type Run = keyof typeof runs;
const hows = ['EIO', 'ENOSPC', 'kill'] as const;

interface Trial {
  run: Run;
  how: Fault['how'];
  nth: number;
}

interface Tried extends Trial {
  exitCode: number | null;
  faults: string[];
}

const root = join(import.meta.dirname, '..');
const folder = await mkdtemp(join(tmpdir(), 'headwater-failNth-'));
try {
  const expected = placeIn(join(folder, 'expected'));
  await writeWorld();
  const calls = await countCalls(expected);
  const trials = trialsOf(calls);
  const tried: Tried[] = [];
  const next = trials.values();
  await Promise.all(
    Array.from({ length: Number(options.jobs) }, (_, job) => work(join(folder, `job-${job}`), expected, next, tried)),
  );
  await report(calls, tried);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function placeIn(at: string): Place {
  return { out: join(at, 'out'), cache: join(at, 'cache') };
}

/** Eight documents and two queries on the bundled model, with a checkpoint behind each batch. */
async function writeWorld(): Promise<void> {
  const queries = [
    { id: 'france', prompt: 'The capital of France is', completion: ' Paris.', task: 'factual' },
    { id: 'sum', prompt: '3 + 4 =', completion: ' 7.', task: 'arithmetic' },
  ];
  await writeFile(join(folder, 'queries.jsonl'), queries.map((query) => JSON.stringify(query)).join('\n'));
  const configuration = {
    model: join(root, 'datasets/model'),
    corpus: { files: [join(root, 'datasets/corpus/*.parquet')], idColumn: 'id', sourceColumn: 'source', limit: 8 },
    queries: 'queries.jsonl',
    contextTokens: 64,
    modules: ['model.layers.0.mlp.down_proj'],
    preconditioner: { kind: 'ekfac' },
    projection: { kind: 'queryAdaptive', k: 4 },
    fit: { documents: 4 },
    explain: { documents: 1 },
    topK: 3,
    keepScores: true,
    slice: { documents: 3 },
    checkpoint: { seconds: 1e-6 },
    pool: { workers: 1 },
  };
  await writeFile(join(folder, 'run.yaml'), JSON.stringify(configuration)); // JSON is YAML
}

/** The undisturbed runs, which stay for comparison. */
async function countCalls(expected: Place): Promise<Record<Run, number>> {
  const counted: Partial<Record<Run, number>> = {};
  for (const run of Object.keys(runs) as Run[]) {
    await rm(expected.out, { recursive: true, force: true });
    const log = join(folder, `${Object.keys(counted).length}.log`);
    await writeFile(log, '');
    const { exitCode, stderr } = await start(run, expected, { nth: 0, how: 'EIO', log });
    if (exitCode !== 0) throw new Error(`the undisturbed run ended with ${exitCode}: ${stderr}`);
    counted[run] = (await readFile(log, 'utf8')).trimEnd().split('\n').length;
  }
  return counted as Record<Run, number>;
}

function trialsOf(calls: Record<Run, number>): Trial[] {
  const uniform = openUniform(Number(options.seed));
  return (Object.keys(runs) as Run[]).flatMap((run, r) =>
    hows.flatMap((how, h) => {
      const first = 1 + Math.floor(every * uniform(r, h));
      const count = Math.max(0, Math.ceil((calls[run] - first + 1) / every));
      return Array.from({ length: count }, (_, i) => ({ run, how, nth: first + i * every }));
    }),
  );
}

async function work(at: string, expected: Place, next: IterableIterator<Trial>, tried: Tried[]): Promise<void> {
  await mkdir(at, { recursive: true });
  const place = placeIn(at);
  for (const trial of next) {
    await rm(at, { recursive: true, force: true });
    await mkdir(at);
    if (runs[trial.run].cached) await cp(expected.cache, place.cache, { recursive: true });
    const ended = await start(trial.run, place, trial);
    const faults = [
      ...(await faultsOfEnding(ended, trial.how === 'kill', place, expected)),
      ...(await faultsOfResuming(await start(trial.run, place, null), place, expected)),
    ];
    tried.push({ ...trial, exitCode: ended.exitCode, faults });
    if (faults.length > 0) console.error(`${trial.how} at call ${trial.nth}, ${trial.run}: ${faults.join('; ')}`);
    if (tried.length % 50 === 0) console.error(`${tried.length} tried`);
  }
}

/** One run of the program at `place`, with the fault where there is one. */
async function start(run: Run, place: Place, fault: Omit<Fault, 'within' | 'only'> | null): Promise<Ending> {
  const preload = ['--import', join(root, 'test/fixtures/failNthPreload.js')];
  const { flags, only }: { flags: string[]; only?: Fault['only'] } = runs[run];
  const told = { ...fault, only, within: join(place.out, '..') };
  const args = ['run', join(folder, 'run.yaml'), '--out', place.out, '--set', `cache=${place.cache}`, '--quiet'];
  const child = spawn(
    process.execPath,
    [...(fault ? preload : []), join(root, 'pipeline/headwater.js'), ...args, ...flags],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...(fault && { FAIL_NTH: JSON.stringify(told) }) } },
  );
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { exitCode, stderr };
}

async function report(calls: Record<Run, number>, tried: Tried[]): Promise<void> {
  const faulty = tried.filter(({ faults }) => faults.length > 0);
  const named = faulty.map(({ run, how, nth, faults }) => `${how} at call ${nth}, ${run}: ${faults.join('; ')}`);
  await printReport(
    {
      title: `The nth write, flush, rename or removal of a short run fails${every > 1 ? `, every ${every}th n` : ', every n'}`,
      machine: describeMachine(),
      rows: (Object.keys(runs) as Run[]).flatMap((run) => hows.map((how) => row(run, how, calls[run], tried))),
      notes: [
        faulty.length > 0
          ? `FAILED: ${named.join(' | ')}`
          : 'each time the same command then gave the same bytes as an undisturbed run; no file stood half written under its name',
      ],
      raw: { calls, tried },
    },
    options.json,
  );
  process.exitCode = faulty.length > 0 ? 1 : 0;
}

function row(run: Run, how: Fault['how'], calls: number, tried: Tried[]): ReportRow {
  const here = tried.filter((trial) => trial.run === run && trial.how === how);
  const ended = (exitCode: number | null) => here.filter((trial) => trial.exitCode === exitCode).length;
  return {
    run,
    fault: how,
    calls,
    tried: here.length,
    'exit 6': ended(6),
    killed: ended(null),
    'no matter': ended(0),
    faults: here.filter(({ faults }) => faults.length > 0).length,
  };
}

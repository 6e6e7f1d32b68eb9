/**
 * `kill -9` at drawn moments of the bundled run: `npx tsx bench/kills.ts --kills 50 --seed 1`. Supervisor and compute process in turn, in
 * every phase, in rounds of 25 kills, the first of which begins with nothing cached. Ends with 1 where a table has other bytes than the
 * undisturbed run's, or anything is left over. `--set key=value`, `--folder FOLDER` to keep the runs, `--json FILE`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Kill, type KilledRuns, killedRuns, phases } from './killedRuns.ts';
import { describeMachine } from './machine.ts';
import { printReport, type ReportRow } from './report.ts';

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    set: { type: 'string', multiple: true, default: [] },
    folder: { type: 'string' },
    json: { type: 'string' },
  },
});

const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'headwater-kills-')));
try {
  const found = await killedRuns({
    file: join(import.meta.dirname, '..', 'datasets', 'headwater.yaml'),
    flags: ['checkpoint.seconds=1', 'supervisor.maxCrashes=1000', ...options.set].flatMap((set) => ['--set', set]),
    folder,
    kills: Number(options.kills),
    seed: Number(options.seed),
    say: (line) => console.error(line),
  });
  await report(found);
} finally {
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}

async function report({ undisturbed, rounds }: KilledRuns): Promise<void> {
  const kills = rounds.flatMap((round) => round.kills);
  const faults = rounds.flatMap((round, i) => round.faults.map((fault) => `round ${i + 1}: ${fault}`));
  const calm = Object.values(undisturbed).reduce((sum, seconds) => sum + seconds, 0);
  const lengths = rounds.map(({ seconds, kills }) => `${seconds.toFixed(0)} s with ${kills.length}`).join(', ');
  await printReport(
    {
      title: `The bundled run, killed ${kills.length} times (seed ${options.seed})`,
      machine: describeMachine(),
      rows: [
        ...phases.map((phase) =>
          row(
            phase,
            undisturbed[phase],
            kills.filter((kill) => kill.phase === phase),
          ),
        ),
        row('all', calm, kills),
      ],
      notes: [
        `${rounds.length} runs; undisturbed ${calm.toFixed(0)} s; ${lengths} kills; checkpoints every second`,
        faults.length > 0
          ? `DIFFERENT: ${faults.join('; ')}`
          : 'every table of every run has the same bytes as the undisturbed run’s; run.json and report.json are equal but for times; no partial file, checkpoint or process is left',
      ],
      raw: { undisturbed, rounds },
    },
    options.json,
  );
  process.exitCode = faults.length > 0 ? 1 : 0;
}

function row(phase: string, seconds: number, kills: Kill[]): ReportRow {
  const of = (victim: Kill['victim']) => kills.filter((kill) => kill.victim === victim).length;
  return {
    phase,
    'seconds undisturbed': seconds.toFixed(1),
    kills: kills.length,
    'of the supervisor': of('supervisor'),
    'of the compute process': of('compute process'),
  };
}

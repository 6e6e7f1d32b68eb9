/** Runs the program over and over, killing it at drawn moments of every phase, and compares what comes of it with an undisturbed run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openUniform } from '../operators/curvature/sampleUniform.ts';
import { differences } from './sameResult.ts';

/** In their order; each ends where the next begins. */
export const phases = ['start', 'fit', 'queries', 'words', 'stream', 'tables', 'report'] as const;
export type Phase = (typeof phases)[number];
export type Victim = 'supervisor' | 'compute process';

export interface Kill {
  victim: Victim;
  /** What the run was at when it fell. */
  phase: Phase;
  /** Seconds since that phase began in this life of the process. */
  seconds: number;
}

export interface Round {
  kills: Kill[];
  seconds: number;
  exitCode: number | null;
  /** In what it differs from the undisturbed run, and what it left behind: nothing where all is well. */
  faults: string[];
}

export interface KilledRuns {
  undisturbed: Record<Phase, number>;
  rounds: Round[];
}

export interface KillSettings {
  /** The configuration, and the options behind it. */
  file: string;
  flags: string[];
  /** For run folders and caches; the caller removes it. */
  folder: string;
  kills: number;
  seed: number;
  /** Told each kill and the end of each round. */
  say(line: string): void;
}

/** Throws where the undisturbed run fails. Supervisor and compute process are killed in turn. */
export async function killedRuns(settings: KillSettings): Promise<KilledRuns> {
  const { folder, kills: wanted, seed, say } = settings;
  await mkdir(folder, { recursive: true });
  const expected = join(folder, 'undisturbed');
  const calm = startRun(settings, expected, join(folder, 'cache-undisturbed'));
  const code = await calm.ended;
  if (code !== 0) throw new Error(`the undisturbed run ended with ${code}: ${calm.said().slice(-2000)}`);
  const lasting = calm.lasting();
  const uniform = openUniform(seed);
  const rounds: Round[] = [];
  const soFar = () => rounds.reduce((sum, { kills }) => sum + kills.length, 0);
  while (soFar() < wanted) {
    const number = rounds.length;
    const plan = planRound(Math.min(killsInARound, wanted - soFar()), number === 0, (i) => uniform(number, i));
    const out = join(folder, `killed-${number + 1}`);
    rounds.push(await killRound({ ...settings, plan, lasting, before: soFar() }, out, expected));
    const { kills, seconds, faults } = rounds.at(-1)!;
    say(`round ${number + 1}: ${kills.length} kills, ${seconds.toFixed(0)} s: ${faults.join('; ') || 'the same'}`);
    if (kills.length === 0) throw new Error('a round ended before its first kill: the runs are too short for the plan');
  }
  return { undisturbed: lasting, rounds };
}

const killsInARound = 25;

/** How many kills of a round fall into each phase; what the first round has left in the cache, later ones do not make again. */
const weights: Record<Phase, { first: number; later: number }> = {
  start: { first: 3, later: 5 },
  fit: { first: 4, later: 0 },
  queries: { first: 4, later: 0 },
  words: { first: 1.5, later: 0 },
  stream: { first: 7.5, later: 14 },
  tables: { first: 3, later: 4 },
  report: { first: 2, later: 2 },
};

/** Of these, what is done before a kill stays done. */
const resumable: Phase[] = ['fit', 'queries', 'words', 'stream'];

interface PlannedKill {
  phase: Phase;
  /** How far into the phase, of its length in the undisturbed run. */
  share: number;
}

/** `draw(i)`: the ith uniform number in [0, 1) of this round. In the order of the phases, but for those at the start, which every life has. */
function planRound(count: number, first: boolean, draw: (i: number) => number): PlannedKill[] {
  const whole = phases.map((phase) => weights[phase][first ? 'first' : 'later']);
  const ends = whole.map((_, i) => whole.slice(0, i + 1).reduce((sum, weight) => sum + weight, 0));
  // one draw from each of `count` equal parts of the weights: every phase comes up about as often as it should
  const drawn = Array.from({ length: count }, (_, i) => {
    const at = ((i + draw(2 * i)) / count) * ends.at(-1)!;
    return phases[ends.findIndex((end) => at < end)];
  });
  const planned = drawn.map((phase, i): PlannedKill => {
    const kills = drawn.filter((other) => other === phase).length;
    const share = draw(2 * i + 1);
    return { phase, share: resumable.includes(phase) ? (2 * share) / (kills + 1) : share };
  });
  const inOrder = planned.filter(({ phase }) => phase !== 'start');
  for (const [i, kill] of planned.filter(({ phase }) => phase === 'start').entries())
    inOrder.splice(Math.floor(draw(2 * count + i) * (inOrder.length + 1)), 0, kill);
  return inOrder;
}

interface RoundSettings extends KillSettings {
  plan: PlannedKill[];
  lasting: Record<Phase, number>;
  /** Kills of earlier rounds. */
  before: number;
}

async function killRound(settings: RoundSettings, out: string, expected: string): Promise<Round> {
  const { plan, lasting, before, say } = settings;
  const cache = join(settings.folder, 'cache');
  const begun = performance.now();
  const kills: Kill[] = [];
  let run = startRun(settings, out, cache);
  for (const { phase, share } of plan) {
    await run.reaches(phase);
    await Promise.race([setTimeout(1000 * share * lasting[phase]), run.ended]);
    const victim: Victim = (before + kills.length) % 2 === 0 ? 'supervisor' : 'compute process';
    const kill = await run.kill(victim);
    if (!kill) break; // it was done before the moment came
    kills.push(kill);
    say(`kill ${before + kills.length}: the ${victim}, ${kill.seconds.toFixed(1)} s into ${kill.phase}`);
    if (victim === 'supervisor') {
      await run.ended;
      run = startRun(settings, out, cache);
    }
  }
  const exitCode = await run.ended;
  const seconds = (performance.now() - begun) / 1000;
  const faults = exitCode === 0 ? [] : [`it ended with ${exitCode}: ${run.said().slice(-1000)}`];
  faults.push(...(await differences(expected, out)), ...(await leftOver(cache, run.mark)));
  return { kills, seconds, exitCode, faults };
}

async function leftOver(cache: string, mark: string): Promise<string[]> {
  const partial = (await readdir(cache, { recursive: true })).filter((name) => name.endsWith('.partial'));
  const alive = async () => await processesWith(mark);
  for (let i = 0; i < 100 && (await alive()).length > 0; i++) await setTimeout(50);
  return [
    ...partial.map((name) => `${name} is left in the cache`),
    ...(await alive()).map((pid) => `process ${pid} lives`),
  ];
}

/** A run of the program, from one start of its supervisor to that supervisor's end. */
interface StartedRun {
  mark: string;
  said(): string;
  ended: Promise<number | null>;
  /** Resolves once the phase or a later one has begun, or the run is over. */
  reaches(phase: Phase): Promise<void>;
  /** Null where the run was over before. */
  kill(victim: Victim): Promise<Kill | null>;
  /** Seconds of each phase. */
  lasting(): Record<Phase, number>;
}

const program = join(import.meta.dirname, '..', 'pipeline', 'headwater.js');
const look = 10; // ms between two looks at how far a run is
/** Stands in the environment of all processes of this bench. */
const mark = `HEADWATER_KILLED_RUN=${randomUUID()}`;

function startRun({ file, flags }: KillSettings, out: string, cache: string): StartedRun {
  const args = [program, 'run', file, '--out', out, '--set', `cache=${cache}`, ...flags];
  const [name, value] = mark.split('=');
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, [name]: value },
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const place = followPhases(child, join(out, 'run.json'));
  let over = false;
  void ended.then(() => {
    over = true;
    place.close();
  });
  let killed: number | null = null;
  return {
    ...{ mark, ended, said: place.said, lasting: place.lasting },
    async reaches(phase) {
      while (!over && phases.indexOf(place.now().phase) < phases.indexOf(phase)) await setTimeout(look);
    },
    async kill(victim) {
      const pid = await computePid(out, killed, () => over);
      if (over || pid === null) return null;
      const { phase, since } = place.now();
      const fallen = (performance.now() - since) / 1000;
      if (victim === 'supervisor') child.kill('SIGKILL');
      else process.kill(pid, 'SIGKILL');
      killed = pid;
      while (victim === 'compute process' && !over && place.now().since <= since) await setTimeout(look);
      return { victim, phase, seconds: fallen };
    },
  };
}

/** The first line of each phase. */
const firstLines: [Phase, RegExp][] = [
  ['fit', /^(covariances|squared|eigenvectors|summing)/],
  ['queries', /^(curvature: |completions|queries|preconditioning|query gradients)/],
  ['words', /^(words: |query gradients: (written|reused))/],
  ['stream', /^documents: /],
  ['tables', /^documents: .* in /],
];

/** Where a run is, by what it says; the report is being made once run.json is there. */
function followPhases(child: ChildProcess, runJson: string) {
  const begun = new Map<Phase, number>([['start', performance.now()]]);
  let bornAt = Date.now();
  let text = '';
  let read = 0;
  /** Another life begins. */
  const again = () => {
    bornAt = Date.now();
    begun.clear();
    begun.set('start', performance.now());
  };
  const reach = (phase: Phase) => {
    if (!begun.has(phase)) begun.set(phase, performance.now());
  };
  child.stderr!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    for (let end = text.indexOf('\n', read); end >= 0; end = text.indexOf('\n', read)) {
      const line = text.slice(read, end);
      read = end + 1;
      if (/^the compute process .*: started again/.test(line)) again();
      for (const [phase, pattern] of firstLines) if (pattern.test(line)) reach(phase);
    }
  });
  const timer = setInterval(() => {
    void stat(runJson).then(
      ({ mtimeMs }) => mtimeMs > bornAt && reach('report'),
      () => {},
    );
  }, look);
  return {
    said: () => text,
    now() {
      const [phase, since] = [...begun].sort(([a], [b]) => phases.indexOf(b) - phases.indexOf(a))[0];
      return { phase, since };
    },
    lasting(): Record<Phase, number> {
      const ends = [...phases.map((phase) => begun.get(phase)), performance.now()];
      const seconds = phases.map((phase, i): [Phase, number] => {
        const from = ends[i];
        const to = ends.slice(i + 1).find((end) => end !== undefined)!;
        return [phase, from === undefined ? 0 : (to - from) / 1000];
      });
      return Object.fromEntries(seconds) as Record<Phase, number>;
    },
    close: () => clearInterval(timer),
  };
}

/** The compute process in the run folder's lock, once there is one other than `before`; null where the run is over first. */
async function computePid(out: string, before: number | null, over: () => boolean): Promise<number | null> {
  for (; !over(); await setTimeout(look)) {
    const text = await readFile(join(out, 'checkpoint', 'lock'), 'utf8').catch(() => '{}');
    const { computePid: pid = null } = JSON.parse(text);
    if (pid !== null && pid !== before && isAlive(pid)) return pid;
  }
  return null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Of this machine, those in whose environment the mark stands. */
async function processesWith(mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const marked = await Promise.all(
    pids.map(async (pid) => (await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')).includes(mark)),
  );
  return pids.filter((_, i) => marked[i]);
}

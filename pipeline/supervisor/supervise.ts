/** The supervisor: keeps a compute process at the run until it is done, stopped, or dies too often. */
import { join } from 'node:path';
import { printableLine } from '../../operators/report/printableText.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { HeadwaterError } from '../../schemas/errors.ts';
import type { Shard } from '../checkpoints/shards.ts';
import type { Terminal } from '../terminal/onTerminal.ts';
import { listenForStop, type SignalSource, type StopSignals, stopCode, stopSignals } from '../terminal/stopSignals.ts';
import { beginLife, type ComputeLife, type Ending } from './computeLife.ts';
import { type CrashBook, type Crashes, type Death, isSpent, openCrashBook } from './crashBook.ts';
import { type RunLock, takeRunLock } from './runLock.ts';
import type { KeyRange } from './supervision.ts';

export interface Supervised {
  configuration: Configuration;
  shard: Shard | null;
  /** Where its checkpoints are: the run folder, or the working folder of its shard. */
  folder: string;
  resume: boolean;
  quiet: boolean;
  /** What stands behind the program's name in a list of processes. */
  args: string[];
}

const computeProgram = new URL('./computeProcess.js', import.meta.url);
const stopsWithin = 8_000; // ms: what a stopped run may take for its last gradients and its checkpoint
const budgetSpent = 70;

/**
 * Runs the configuration in a compute process, started again after each death. Gives the exit code of the run; throws UsageError where
 * another process is at work in the run folder, HeadwaterError with exit code 70 once the crash budget is spent.
 */
export async function supervise(run: Supervised, terminal: Terminal, program = computeProgram): Promise<number> {
  const { folder } = run;
  const lock = await takeRunLock(folder);
  try {
    const book = await openCrashBook(join(folder, 'checkpoint', 'crashes.json'), run.configuration, run.resume);
    const exitCode = await keepAtWork({ ...run, program }, terminal, lock, book);
    await book.close(!isWhole(exitCode));
    return exitCode;
  } finally {
    lock.release();
  }
}

/** Books the death and says so. Throws HeadwaterError once the crash budget is spent. */
async function learn(ending: Ending, work: Work, terminal: Terminal, book: CrashBook): Promise<void> {
  const { configuration, folder, quiet } = work;
  const death = deathOf(ending, configuration.supervisor.batchSeconds);
  await book.died(death);
  expectBudget(book.crashes, death, configuration, folder);
  if (!quiet) tell(terminal.stderr, restartLine(book.crashes, death, configuration));
}

type Work = Supervised & { program: URL };

/** On a terminal a line below the bar that the dead process left there. */
function tell(stream: NodeJS.WriteStream, line: string): void {
  stream.write(`${stream.isTTY ? '\n' : ''}${line}\n`);
}

async function keepAtWork(work: Work, terminal: Terminal, lock: RunLock, book: CrashBook): Promise<number> {
  const stopping = new Stopping(terminal);
  try {
    // One that died before it began the run anew has not begun it: only what was begun is gone on with.
    for (let { resume } = work; ; ) {
      const ending = await oneLife({ ...work, resume }, lock, book, stopping);
      if (ending.code !== null && finalCodes.includes(ending.code)) return ending.code;
      if (stopping.exitCode() === null) await learn(ending, work, terminal, book);
      const stopped = stopping.exitCode();
      if (stopped !== null) return stopped;
      resume ||= ending.begun;
    }
  } finally {
    stopping.close();
  }
}

async function oneLife(work: Work, lock: RunLock, book: CrashBook, stopping: Stopping): Promise<Ending> {
  const { configuration, shard, resume, quiet, args, program } = work;
  const life = beginLife({
    program,
    args,
    start: { configuration, shard, resume, quiet, caution: book.crashes.caution },
    batchSeconds: configuration.supervisor.batchSeconds,
    checkpointed: (key) => book.checkpointed(key),
  });
  stopping.hold(life);
  try {
    await lock.computing(life.pid);
  } catch (error) {
    life.kill('SIGKILL');
    await life.ended;
    throw error;
  }
  return life.ended;
}

/** Hands the first signal on, once; ends the compute process at the second, or where the first took too long. */
class Stopping {
  private readonly signals: StopSignals;
  private life: ComputeLife | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor({ signals }: Terminal) {
    const kill = (): void => this.life?.kill('SIGKILL'); // the checkpoint is whole whenever it comes
    const source: SignalSource = {
      on: (signal, listener) => signals.on(signal, listener),
      off: (signal, listener) => signals.off(signal, listener),
      kill,
    };
    this.signals = listenForStop(source, (signal) => {
      this.life?.kill(signal);
      this.timer = setTimeout(kill, stopsWithin);
    });
  }

  hold(life: ComputeLife): void {
    this.life = life;
  }

  /** The exit code that goes with the signal; null where none came. */
  exitCode(): number | null {
    return this.signals.exitCode();
  }

  close(): void {
    clearTimeout(this.timer);
    this.signals.close();
  }
}

/** What a run ends with by itself: anything else is a death. */
const finalCodes = [0, 1, 2, 3, 4, 5, 6, ...stopSignals.map(stopCode)];
const isWhole = (exitCode: number): boolean => exitCode === 0 || exitCode === 4;

/** Signals that a process meets by its own doing; the others come from outside. */
const faults = ['SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGSYS'];

function deathOf({ code, signal, inFlight, overdue, memoryRanOut }: Ending, batchSeconds: number): Death {
  if (overdue) {
    const how = `was ended after ${batchSeconds} s without progress`;
    return { inFlight, how, reason: 'deadline', blames: true };
  }
  if (signal === null) return { inFlight, how: `ended with exit code ${code}`, reason: 'crash', blames: true };
  const outside = signal === 'SIGKILL' ? !memoryRanOut : !faults.includes(signal);
  const why = outside ? ', sent from outside' : signal === 'SIGKILL' ? ', for want of memory' : '';
  return { inFlight, how: `ended by ${signal}${why}`, reason: 'crash', blames: !outside };
}

function expectBudget(crashes: Crashes, death: Death, { supervisor }: Configuration, folder: string): void {
  if (!isSpent(crashes, supervisor.maxCrashes)) return;
  const times =
    crashes.deaths > supervisor.maxCrashes
      ? `expected at most ${supervisor.maxCrashes} deaths of the compute process (supervisor.maxCrashes), got ${crashes.deaths}`
      : `the compute process died ${crashes.fruitless} times without getting on`;
  throw new HeadwaterError(
    `${times}: the last ${death.how}, with ${inWords(death.inFlight)} in flight. ${standOf(crashes)} is kept in ` +
      `${printableLine(join(folder, 'checkpoint'))}: the same command goes on from there. What it wrote before it died stands above; ` +
      'fewer pool.workers take less memory',
    budgetSpent,
  );
}

function restartLine(
  crashes: Crashes,
  { how, inFlight }: Death,
  { supervisor: { maxCrashes } }: Configuration,
): string {
  const { suspects, condemned } = crashes.caution;
  const careful = suspects.length > 0 ? `; ${inWords(suspects)} will be tried alone` : '';
  const out = condemned.length > 0 ? `; set aside: ${condemned.map(({ key }) => key).join(', ')}` : '';
  return (
    `the compute process ${how}, with ${inWords(inFlight)} in flight: started again from ${placeOf(crashes)} ` +
    `(${crashes.deaths} of at most ${maxCrashes} times)${careful}${out}`
  );
}

const placeOf = ({ checkpoint }: Crashes): string =>
  checkpoint > 0 ? `the checkpoint at document ${checkpoint}` : 'its last checkpoint, if any';

const standOf = ({ checkpoint }: Crashes): string =>
  checkpoint > 0 ? `What was done of the documents before ${checkpoint}` : 'What an earlier checkpoint holds';

/** `documents 0 to 99 and 200 to 299`, by their place in the corpus. */
function inWords(ranges: KeyRange[]): string {
  if (ranges.length === 0) return 'no documents';
  const shown = ranges.slice(0, 8).map(({ keyStart, keyEnd }) => {
    return keyEnd - keyStart === 1 ? String(keyStart) : `${keyStart} to ${keyEnd - 1}`;
  });
  const more = ranges.length > shown.length ? `, and ${ranges.length - shown.length} batches more` : '';
  return `documents ${shown.join(', ')}${more}`;
}

/** One life of the compute process: started, followed, held to its deadline, and how it ended. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { ResourceError } from '../../schemas/errors.ts';
import { Deadline } from './deadline.ts';
import type { News, Start } from './messages.ts';
import type { KeyRange } from './supervision.ts';

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What it had begun and not ended. */
  inFlight: KeyRange[];
  /** It came as far as the documents. */
  begun: boolean;
  /** We ended it: what was in flight did not move for too long. */
  overdue: boolean;
  /** The kernel ended some process for want of memory meanwhile; true as well where it does not say. */
  memoryRanOut: boolean;
}

export interface ComputeLife {
  pid: number;
  /** Throws ResourceError where the process could not be started. */
  ended: Promise<Ending>;
  kill(signal: NodeJS.Signals): void;
}

export interface LifeSettings {
  /** The program, and the arguments by which people know the process. */
  program: URL;
  args: string[];
  start: Start;
  batchSeconds: number;
  checkpointed(key: number): void;
}

export function beginLife({ program, args, start, batchSeconds, checkpointed }: LifeSettings): ComputeLife {
  const memoryKills = outOfMemoryKills();
  const child = fork(program, args, {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
    detached: true, // the terminal's Ctrl-C reaches the supervisor alone, which hands it on
    env: { MALLOC_ARENA_MAX: '2', ...process.env }, // glibc would keep an arena for each thread
  });
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal);
  const killLast = (): void => kill('SIGKILL');
  process.on('exit', killLast); // whatever ends the supervisor
  const work = follow(child, batchSeconds, checkpointed);
  child.send(start, () => {}); // one that died already tells by its end
  const ended = endOf(child).finally(() => {
    work.close();
    process.off('exit', killLast);
  });
  return {
    pid: child.pid ?? 0,
    kill,
    ended: ended.then(({ code, signal }) => ({
      ...(work.over === null ? { code, signal } : { code: work.over, signal: null }),
      ...{ inFlight: [...work.inFlight.values()], begun: work.begun, overdue: work.overdue },
      memoryRanOut: memoryKills === null || outOfMemoryKills() !== memoryKills,
    })),
  };
}

interface Work {
  inFlight: Map<string, KeyRange>;
  begun: boolean;
  overdue: boolean;
  /** The exit code of a run that is over in a process that cannot end. */
  over: number | null;
  close(): void;
}

/** Keeps account of what is in flight, and ends the process where that does not move. */
function follow(child: ChildProcess, batchSeconds: number, checkpointed: (key: number) => void): Work {
  const deadline = new Deadline(batchSeconds);
  const inFlight = new Map<string, KeyRange>();
  let tokens = 0;
  const take = (news: News): void => {
    work.begun = true;
    if (news.kind !== 'tokens' || news.total !== tokens) deadline.moved();
    if (news.kind === 'tokens') tokens = news.total;
    else if (news.kind === 'checkpointed') checkpointed(news.key);
    else if (news.kind === 'over') {
      work.over = news.exitCode;
      child.kill('SIGKILL');
    } else if (news.kind === 'begin') inFlight.set(nameOf(news.work), news.work);
    else inFlight.delete(nameOf(news.work));
  };
  child.on('message', (news) => take(news as News));
  const timer = setInterval(() => {
    if (inFlight.size === 0) deadline.moved();
    if (!deadline.isPast()) return;
    work.overdue = true;
    child.kill('SIGKILL');
  }, 1000);
  const work: Work = { inFlight, begun: false, overdue: false, over: null, close: () => clearInterval(timer) };
  return work;
}

const nameOf = ({ keyStart, keyEnd }: KeyRange): string => `${keyStart} ${keyEnd}`;

const lastWords = 2000; // ms

/** How the process ended, once its last words are read too: they may lie in the pipe when it is gone. */
async function endOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const silent = new Promise<void>((resolve) => child.once('disconnect', resolve));
  const ending = await new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.on('error', (cause) => {
      if (child.pid === undefined)
        reject(new ResourceError(`cannot start the compute process: ${cause.message}`, { cause }));
    });
  });
  const waited = new AbortController();
  const bound = setTimeout(lastWords, undefined, { signal: waited.signal }).catch(() => {});
  if (child.connected) await Promise.race([silent, bound]);
  waited.abort();
  return ending;
}

/** How often the kernel has ended a process of this machine for want of memory; null where it does not say. */
function outOfMemoryKills(): number | null {
  try {
    const line = /^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'));
    return line && Number(line[1]);
  } catch {
    return null;
  }
}

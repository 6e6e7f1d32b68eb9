/** Says which process a number means: numbers are used again, so the time of the process's start goes with them. */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** The machine's start and the process's, in ticks since then; null where there is no /proc. */
  startTime: string | null;
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: statOf(pid)?.startTime ?? null };
}

/** A zombie is dead: it holds nothing but its number. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  if (stat === null) return answers(pid);
  return stat.state !== 'Z' && stat.state !== 'X' && (startTime === null || startTime === stat.startTime);
}

/** Fields 3 and 22 of /proc/<pid>/stat; what stands before them, the program's name, may hold spaces and brackets. */
function statOf(pid: number): { state: string; startTime: string } | null {
  const text = textOf(`/proc/${pid}/stat`);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0], startTime: `${textOf('/proc/sys/kernel/random/boot_id')?.trim()} ${fields[22 - 3]}` };
}

/** What a file of /proc says; null where it is not there or not to be read. */
export function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Without /proc, and for another user's process that /proc hides, a signal of no kind tells. */
function answers(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

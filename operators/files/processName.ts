/** A name for this process that no other has had, in which another can read whether it still lives. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { fingerprint } from '../../schemas/fingerprint.ts';

/** `place.pid.start`: process numbers mean something in one boot of one machine (or container) alone. */
export function processName(): string {
  return `${here()}.${process.pid}.${startOf(process.pid) ?? 0}`;
}

/** Whether the process of that name lives; null where that cannot be told from here, or the text is no such name. */
export function isAlive(name: string): boolean | null {
  const [, place, pid, start] = /^([0-9a-f]{8})\.(\d+)\.(\d+)$/.exec(name) ?? [];
  if (place !== here()) return null;
  const found = startOf(Number(pid));
  return found === null ? answersSignals(Number(pid)) : found === start;
}

let place: string | undefined;

function here(): string {
  place ??= fingerprint([hostname(), read('/proc/sys/kernel/random/boot_id'), namespace()]).slice(0, 8);
  return place;
}

function namespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

/** When a process began, in clock ticks of the kernel, which tells it from an earlier one of its number; null where that is not told. */
function startOf(pid: number): string | null {
  // The name of the program stands in parentheses and may hold spaces and parentheses: fields are counted from behind it.
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  return fields?.[19] ?? null;
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

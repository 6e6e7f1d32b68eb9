/** A name for this process that no other has had, in which another can read whether it still lives. */
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { fingerprint } from '../../schemas/fingerprint.ts';
import { identityOf, isAlive, type ProcessIdentity, textOf } from './processIdentity.ts';

/** `place.pid.start`: process numbers mean something in one boot of one machine (or container) alone. */
export function processName(): string {
  return `${here()}.${process.pid}.${startOf(identityOf(process.pid))}`;
}

/** Whether the process of that name lives; null where that cannot be told from here, or the text is no such name. */
export function isNamedAlive(name: string): boolean | null {
  const [, place, pid, start] = /^([0-9a-f]{8})\.(\d+)\.(\d+)$/.exec(name) ?? [];
  if (place !== here()) return null;
  const found = identityOf(Number(pid));
  return isAlive(found) && (found.startTime === null || startOf(found) === start);
}

let place: string | undefined;

function here(): string {
  place ??= fingerprint([hostname(), textOf('/proc/sys/kernel/random/boot_id'), namespace()]).slice(0, 8);
  return place;
}

function namespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

/** Ticks of the kernel since the machine's start; 0 where that is not told. */
function startOf({ startTime }: ProcessIdentity): string {
  return startTime?.split(' ').at(-1) ?? '0';
}

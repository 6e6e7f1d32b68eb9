/** What killed processes left half-written in the cache folder: known by name, and removed once nobody can be writing it. */
import { randomUUID } from 'node:crypto';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isNamedAlive, processName } from './processName.ts';

/** A file that becomes `path` once it is whole. */
export function partialOf(path: string): string {
  return `${path}.${processName()}.${randomUUID().slice(0, 8)}.partial`;
}

/** The name of a folder for what is deleted at the end of a piece of work. */
export function scratchName(work: string): string {
  return `${work}-${processName()}.${randomUUID().slice(0, 8)}`;
}

/** Folders of the cache that are scratch. */
const SCRATCH = ['projecting'];

/** How long nothing may have been written to what a process of another machine, or of an earlier version, left. */
const STALE_DAYS = 7;

/** A cache has folders of models and of curvatures, and these have folders of parts. */
const DEEPEST = 3;

/**
 * Removes partial files and scratch folders whose process is dead, or, where that cannot be told from here, that nobody has written to
 * for a week. Gives how many it removed. What cannot be looked at or removed stays: the run goes on without it.
 */
export async function removeLeftovers(folder: string, depth = 1): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let removed = 0;
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (isLeftover(entry.name, entry.isDirectory())) removed += Number(await removeDead(path, entry.name));
    else if (entry.isDirectory() && depth < DEEPEST) removed += await removeLeftovers(path, depth + 1);
  }
  return removed;
}

function isLeftover(name: string, isFolder: boolean): boolean {
  return isFolder ? SCRATCH.some((work) => name.startsWith(`${work}-`)) : name.endsWith('.partial');
}

async function removeDead(path: string, name: string): Promise<boolean> {
  const owner = /([0-9a-f]{8}\.\d+\.\d+)\.[0-9a-f]{8}(\.partial)?$/.exec(name)?.[1];
  const alive = owner === undefined ? null : isNamedAlive(owner);
  if (alive ?? !(await isStale(path))) return false;
  return rm(path, { recursive: true, force: true }).then(
    () => true,
    () => false,
  );
}

/** A folder's own time tells when a file came or went; what is written into is looked at as well. */
async function isStale(path: string): Promise<boolean> {
  const inside = await readdir(path).catch(() => []);
  const times = await Promise.all([path, ...inside.map((name) => join(path, name))].map(timeOf));
  return Date.now() - Math.max(...times) > STALE_DAYS * 86_400_000;
}

/** When it was last written to, ms; now where it is gone or hidden. */
function timeOf(path: string): Promise<number> {
  return lstat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(),
  );
}

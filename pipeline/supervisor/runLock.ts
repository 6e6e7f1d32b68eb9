/** Lets one process at a time into a run folder: `<out>/checkpoint/lock` names the owner, and a dead owner's is taken over. */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, rmdirSync, rmSync, unlinkSync } from 'node:fs';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as z from 'zod';
import { partialOf, removeLeftovers } from '../../operators/files/leftovers.ts';
import { identityOf, isAlive, type ProcessIdentity } from '../../operators/files/processIdentity.ts';
import { namedWrite, writeShared, writeText } from '../../operators/files/wholeFile.ts';
import { printableLine } from '../../operators/report/printableText.ts';
import { type ResourceError, UsageError } from '../../schemas/errors.ts';

export interface RunLock {
  /** Notes the compute process: whoever takes a dead owner's lock over sees it ended first. Throws ResourceError. */
  computing(pid: number): Promise<void>;
  /** Gives the folder free, at once; called at the exit of the process where nobody called it before. */
  release(): void;
}

/** What stands in the file. */
const ownerSchema = z.object({
  /** Drawn anew each time a lock is taken: two locks of one process differ. */
  token: z.uuid(),
  pid: z.int().positive(),
  startTime: z.string().nullable(),
  host: z.string(),
  /** For people to read. */
  since: z.string(),
  computePid: z.int().positive().nullable(),
  computeStartTime: z.string().nullable(),
});
type Owner = z.infer<typeof ownerSchema>;

/** A lock as it was found; `owner` is null where it cannot be read. */
interface Held {
  token: string;
  owner: Owner | null;
  /** Milliseconds since it was written. */
  age: number;
}

const unreadableFor = 60_000; // ms
const computeEndsWithin = 5_000; // ms: it ends itself once it finds its supervisor gone

/** Takes the lock of the run folder `out`, which it makes. Throws UsageError where another process holds it. */
export async function takeRunLock(out: string, host = hostname()): Promise<RunLock> {
  const made = await makeFolder(out);
  const path = join(out, 'checkpoint', 'lock');
  const mine: Owner = {
    ...{ token: randomUUID(), ...identityOf(process.pid), host, since: new Date().toISOString() },
    ...{ computePid: null, computeStartTime: null },
  };
  const own = partialOf(path);
  const lock = openLock(mine, path, own, made ? out : null);
  try {
    while (!(await isPlaced(mine, path, own))) {
      const chain = await holders(path);
      if (chain.length === 0) continue; // given free just now
      expectDead(chain.at(-1)!, host, out, path);
      if (await tookOver(chain, mine, path, own)) break;
    }
    await removeLeftovers(join(out, 'checkpoint'));
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Whether the run folder itself was made, too. Throws ResourceError, and UsageError where a file is in the way. */
async function makeFolder(out: string): Promise<boolean> {
  const checkpoints = join(out, 'checkpoint');
  const first = await namedWrite(out, () => mkdir(checkpoints, { recursive: true })).catch((error: ResourceError) => {
    const { code } = error.cause as NodeJS.ErrnoException;
    if (code !== 'ENOTDIR' && code !== 'EEXIST') throw error;
    throw new UsageError(`out: expected a folder, got the file ${printableLine(out)}: name another with --out`);
  });
  return first !== undefined && first !== checkpoints;
}

/** Writes the file under its `own` name and links it to `path`, so that it is there whole or not; false where one is there. */
async function isPlaced(mine: Owner, path: string, own: string): Promise<boolean> {
  await writeShared(own, [Buffer.from(JSON.stringify(mine))]);
  try {
    await link(own, path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!withoutLinks.includes(code as string)) throw error;
    return await isWritten(path, mine);
  } finally {
    await rm(own, { force: true }).catch(() => {}); // tried again at the release
  }
}

/** What a file system that has no hard links answers. */
const withoutLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'];

/** Another may see the file half written, which counts as unreadable; none is left so. */
async function isWritten(path: string, mine: Owner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(mine), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    await rm(path, { force: true });
    throw error;
  }
}

/**
 * Who holds the lock, and who was taking it over from whom: each but the last was found dead by the next. Whoever takes over from a dead
 * owner first places `lock.after-<token of the dead>`, which only one can.
 */
async function holders(path: string): Promise<Held[]> {
  const chain: Held[] = [];
  for (let name = path; ; name = successor(path, chain.at(-1)!)) {
    const held = await heldAt(name);
    if (held === null) return chain;
    chain.push(held);
  }
}

const successor = (path: string, { token }: Held): string => `${path}.after-${token}`;

async function heldAt(path: string): Promise<Held | null> {
  try {
    const bytes = await readFile(path);
    const age = Date.now() - (await stat(path)).mtimeMs;
    const owner = ownerOf(bytes);
    return { token: owner?.token ?? createHash('sha256').update(bytes).digest('hex'), owner, age };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function ownerOf(bytes: Buffer): Owner | null {
  try {
    return ownerSchema.parse(JSON.parse(bytes.toString()));
  } catch {
    return null;
  }
}

function expectDead({ owner, age }: Held, host: string, out: string, path: string): void {
  const folder = `the run folder ${printableLine(out)}`;
  const lock = printableLine(path);
  if (owner === null) {
    if (age > unreadableFor) return;
    throw new UsageError(
      `${folder} expected a lock that names its owner, got ${lock}, which cannot be read: if no other run is at work there, remove it, or try again in a minute`,
    );
  }
  const who = `process ${owner.pid} on ${printableLine(owner.host)} since ${printableLine(owner.since)}`;
  if (owner.host !== host)
    throw new UsageError(
      `${folder} belongs to ${who}, another machine: name another with --out; if that process is no more, remove ${lock}`,
    );
  if (isAlive(owner))
    throw new UsageError(`${folder} belongs to ${who}: wait for it to end, end it, or name another folder with --out`);
}

/** Takes the place of the last of `chain`, who is dead; false where another was faster. */
async function tookOver(chain: Held[], mine: Owner, path: string, own: string): Promise<boolean> {
  const place = successor(path, chain.at(-1)!);
  if (!(await isPlaced(mine, place, own))) return false;
  // Another may have finished taking over, and cleared its own places, between our look and our placing.
  const now = await holders(path);
  const asJudged = chain.every(({ token }, i) => now[i]?.token === token) && now[chain.length]?.token === mine.token;
  if (asJudged) {
    for (const { owner } of chain) if (owner) await endCompute(owner);
    await writeText(path, [JSON.stringify(mine)]);
    for (const held of chain.slice(0, -1).reverse()) await rm(successor(path, held), { force: true });
  }
  await rm(place, { force: true });
  return asJudged;
}

/** Two compute processes must never write to one folder. */
async function endCompute({ computePid: pid, computeStartTime: startTime }: Owner): Promise<void> {
  if (pid === null) return;
  const compute: ProcessIdentity = { pid, startTime };
  const begun = performance.now();
  while (isAlive(compute) && performance.now() - begun < computeEndsWithin) await setTimeout(50);
  while (isAlive(compute)) {
    quietly(() => process.kill(pid, 'SIGKILL'));
    await setTimeout(50);
  }
}

/** `made` is the run folder where it was made for this lock: it goes again if nothing came into it. `own`: what may be left of placing it. */
function openLock(mine: Owner, path: string, own: string, made: string | null): RunLock {
  const release = (): void => {
    process.off('exit', release);
    quietly(() => rmSync(own, { force: true }));
    quietly(() => {
      if (ownerOf(readFileSync(path))?.token === mine.token) unlinkSync(path);
    });
    quietly(() => rmdirSync(join(path, '..')));
    if (made) quietly(() => rmdirSync(made));
  };
  process.on('exit', release);
  return {
    async computing(pid) {
      const { startTime } = identityOf(pid);
      await writeText(path, [JSON.stringify({ ...mine, computePid: pid, computeStartTime: startTime })]);
    },
    release,
  };
}

const noMatter = ['ENOENT', 'ESRCH', 'ENOTEMPTY', 'EEXIST', 'EROFS', 'EACCES', 'EPERM'];

/** A folder that is not empty stays; what is gone already, or never could be written, needs no removing. */
function quietly(work: () => void): void {
  try {
    work();
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!noMatter.includes(code)) throw error;
  }
}

/** Begins a run in its folder, or goes on with the one that the folder holds, or finds that it is done. */
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expectFingerprint } from '../../operators/files/differingKeys.ts';
import { exists } from '../../operators/files/exists.ts';
import { readSealedJson, writeSealedJson } from '../../operators/files/sealedJson.ts';
import { makeFolder } from '../../operators/files/wholeFile.ts';
import { IntegrityError, ResourceError, UsageError } from '../../schemas/errors.ts';
import { canonicalJson } from '../../schemas/fingerprint.ts';
import { type Checkpoint, latestCheckpoint } from './checkpointFiles.ts';
import type { RunIdentity } from './runIdentity.ts';

export interface BegunRun {
  done: null;
  /** Where checkpoints are written. */
  checkpoints: string;
  /** What to go on from; null at the beginning. */
  from: Checkpoint | null;
  /** Files of the run that was here before, which stay until new ones take their place. */
  earlier: string[];
}

/** The folder holds the whole result of this very run. */
export interface DoneRun {
  done: { exitCode: number };
}

export interface BeginSettings {
  /** False: what is there is begun again. */
  resume: boolean;
  log(line: string): void;
}

/**
 * Throws IntegrityError, with the keys that differ, where it holds another
 * run, whole or not, and no checkpoint that can be used; UsageError where it holds something else.
 */
export async function beginRun(
  out: string,
  identity: RunIdentity,
  { resume, log }: BeginSettings,
): Promise<BegunRun | DoneRun> {
  const checkpoints = checkpointFolder(out);
  const begun = resume ? await readBegun(checkpoints) : null;
  const done = await readDone(out, await exists(join(checkpoints, BEGUN)));
  const earlier = begun?.earlier ?? [...new Set([...(done?.tables ?? []), ...(await tablesIn(out))])];
  if (resume && begun) {
    expectSame(`the unfinished run in ${out} was`, begun.identity, identity, 'gives up what it has done');
    return { done: null, checkpoints, from: await latestCheckpoint(checkpoints, log), earlier };
  }
  if (resume && done) {
    if (!done.identity) throw olderRun(out);
    expectSame(`the run in ${out} was`, canonicalJson(done.identity), identity, 'replaces it');
    await endRun(out);
    return { done: { exitCode: done.exitCode ?? 0 } };
  }
  // The note of what was begun stays until the new one takes its place: a folder without any is nobody's.
  await clearCheckpoints(checkpoints);
  await makeFolder(checkpoints);
  const note: Begun = { identity: canonicalJson(identity), earlier };
  await writeSealedJson(
    join(checkpoints, BEGUN),
    Object.entries(note).map(([name, value]) => [name, JSON.stringify(value)]),
  );
  return { done: null, checkpoints, from: null, earlier };
}

/** The run in `out` is whole: what it would have gone on from is not needed any more. The lock is its owner's to take away. */
export async function endRun(out: string): Promise<void> {
  const folder = checkpointFolder(out);
  // What says that a run was begun goes first: a folder without it is not gone on with.
  await rm(join(folder, BEGUN), { force: true });
  await clearCheckpoints(folder);
  await rmdir(folder).catch(() => {}); // its owner's lock may still be there
}

const BEGUN = 'begun.json';

/** The supervisor may be writing to its book. */
const others = [BEGUN, 'lock', 'crashes.json.partial'];

async function clearCheckpoints(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names)
    if (!others.some((other) => name.startsWith(other))) await rm(join(folder, name), { force: true });
}

/** What stands there of earlier runs, whole or not: it gives way to the new run's. */
async function tablesIn(out: string): Promise<string[]> {
  const names = await readdir(out).catch(() => []);
  return names.filter((name) => /\.(parquet|jsonl)$/.test(name));
}

export const checkpointFolder = (out: string): string => join(out, 'checkpoint');

/** What a run folder may hold before its first run.json. */
const ownFolders = ['checkpoint', 'shards'];

interface Begun {
  identity: string;
  earlier: string[];
}

/** Null where no run was begun. Throws IntegrityError where the note of it is damaged. */
async function readBegun(folder: string): Promise<Begun | null> {
  const path = join(folder, BEGUN);
  if (!(await exists(path))) return null;
  const begun = await readSealedJson(path).catch((cause: Error) => {
    if (cause instanceof ResourceError) throw cause;
    throw new IntegrityError(`${cause.message}: begin again with --no-resume, or put it back`, { cause });
  });
  return begun as unknown as Begun;
}

interface Done {
  tables: string[];
  identity?: RunIdentity;
  exitCode?: number;
}

/** What run.json says of the run that the folder holds; null for a folder with nothing of anybody's. */
async function readDone(out: string, begun: boolean): Promise<Done | null> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    if (error.code === 'ENOTDIR')
      throw new UsageError(`out: expected a folder, got the file ${out}: name another with --out`);
    throw error;
  });
  const text = await readFile(join(out, 'run.json'), 'utf8').catch(() => '{}');
  const { tables, identity, exitCode } = parseDone(text);
  if (tables) return { tables: tables.filter((name) => names.includes(name)), identity, exitCode };
  if (begun || names.every((name) => name.endsWith('.partial') || ownFolders.includes(name))) return null;
  throw new UsageError(
    `out: expected an empty folder or an earlier run's, got ${out} with ${names.slice(0, 3).join(', ')} and no run.json: name another with --out`,
  );
}

function expectSame(subject: string, found: string, wanted: RunIdentity, again: string): void {
  const remedy = `Name another folder with --out, or begin again with --no-resume, which ${again}`;
  expectFingerprint(subject, found, wanted, remedy);
}

function olderRun(out: string): IntegrityError {
  return new IntegrityError(
    `the run in ${out} was made by an earlier Headwater, which did not note what it was made of: name another folder with --out, or ` +
      'begin again with --no-resume, which replaces it',
  );
}

/** What cannot be read says nothing: the run is then one without a note of what it was made of. */
function parseDone(text: string): Partial<Done> {
  try {
    return JSON.parse(text) as Partial<Done>;
  } catch {
    return { tables: [] };
  }
}

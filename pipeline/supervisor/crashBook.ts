/** Learns from each death of the compute process which documents it should be careful with, and when to give up. */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as z from 'zod';
import { makeFolder, writeText } from '../../operators/files/wholeFile.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { type Caution, type KeyRange, noCaution, type Suspect } from './supervision.ts';

/** What is known so far. Plain data. */
export interface Crashes {
  caution: Caution;
  /** Deaths under this supervisor. */
  deaths: number;
  /** Deaths since a checkpoint moved on or a document was condemned. */
  fruitless: number;
  /** All documents before this key are in a checkpoint, as far as the supervisor was told. */
  checkpoint: number;
}

export interface Death {
  inFlight: KeyRange[];
  /** `ended by SIGABRT` */
  how: string;
  reason: 'crash' | 'deadline';
  /** False where somebody killed it from outside: then no document is to blame. */
  blames: boolean;
}

export const noCrashes: Crashes = { caution: noCaution, deaths: 0, fruitless: 0, checkpoint: 0 };

const mostFruitless = 6;

/** What is known once the compute process died. */
export function afterDeath(crashes: Crashes, death: Death): Crashes {
  const caution = blame(crashes.caution, death);
  const condemned = caution.condemned.length > crashes.caution.condemned.length;
  return {
    ...crashes,
    caution,
    deaths: crashes.deaths + 1,
    fruitless: condemned ? 0 : crashes.fruitless + 1,
  };
}

/** What is still of use once all documents before `key` are in a checkpoint: they will never be in flight again. */
export function afterCheckpoint(crashes: Crashes, key: number): Crashes {
  if (key <= crashes.checkpoint) return crashes;
  const { suspects, condemned } = crashes.caution;
  const caution = {
    suspects: suspects.filter(({ keyEnd }) => keyEnd > key),
    condemned: condemned.filter((one) => one.key >= key),
  };
  return { ...crashes, caution, fruitless: 0, checkpoint: key };
}

/** Whether the run has died too often, or in a loop. */
export function isSpent({ deaths, fruitless }: Crashes, maxCrashes: number): boolean {
  return deaths > maxCrashes || fruitless >= mostFruitless;
}

/** First suspected, then tried document by document, then condemned: a step for each death. */
function blame(caution: Caution, { inFlight, how, reason, blames }: Death): Caution {
  const working = inFlight.filter(({ keyStart, keyEnd }) => keyStart < keyEnd);
  if (!blames || working.length === 0) return caution;
  const { suspects, condemned } = caution;
  const [alone] = working;
  const known = suspects.filter((suspect) => covers(suspect, alone));
  if (working.length > 1 || known.length === 0) return { condemned, suspects: withSuspects(suspects, working, false) };
  if (!known.some(({ apart }) => apart)) return { condemned, suspects: withSuspects(suspects, known, true) };
  const key = alone.keyStart;
  if (alone.keyEnd - key > 1 || condemned.some((one) => one.key === key)) return caution;
  const detail = `the compute process ${how} on it, three times`;
  return { suspects, condemned: [...condemned, { key, reason, detail }].sort((a, b) => a.key - b.key) };
}

const covers = (outer: KeyRange, inner: KeyRange): boolean =>
  outer.keyStart <= inner.keyStart && inner.keyEnd <= outer.keyEnd;

/** The suspects and `more`, in reading order; what was to be tried apart stays so. */
function withSuspects(suspects: Suspect[], more: KeyRange[], apart: boolean): Suspect[] {
  const fresh = more.map(({ keyStart, keyEnd }): Suspect => {
    const inside = suspects.filter((suspect) => covers({ keyStart, keyEnd }, suspect));
    return { keyStart, keyEnd, apart: apart || inside.some((suspect) => suspect.apart) };
  });
  const left = suspects.filter((suspect) => !fresh.some((one) => covers(one, suspect)));
  return [...left, ...fresh].sort((a, b) => a.keyStart - b.keyStart);
}

/** The book as the supervisor keeps it on the disk. */
export interface CrashBook {
  readonly crashes: Crashes;
  /** Throws ResourceError. */
  died(death: Death): Promise<void>;
  checkpointed(key: number): void;
  /** Ends with the last page written, or with the book thrown away. Throws ResourceError. */
  close(keep: boolean): Promise<void>;
}

const whole = z.int().nonnegative();
const pageSchema = z.object({
  configuration: z.string(),
  suspects: z.array(z.object({ keyStart: whole, keyEnd: whole, apart: z.boolean() })),
  condemned: z.array(z.object({ key: whole, reason: z.enum(['crash', 'deadline']), detail: z.string() })),
});

/**
 * Opens the book at `path`, with what an earlier supervisor left where `resume` asks for it and the configuration is the same. Deaths are
 * counted anew.
 */
export async function openCrashBook(path: string, configuration: Configuration, resume: boolean): Promise<CrashBook> {
  const digest = digestOf(configuration);
  let crashes = { ...noCrashes, caution: (resume ? await earlierCaution(path, digest) : null) ?? noCaution };
  let written: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    const page = JSON.stringify({ configuration: digest, ...crashes.caution });
    // One that failed is not held against the next.
    written = written
      .catch(() => {})
      .then(async () => {
        await makeFolder(dirname(path));
        await writeText(path, [page]);
      });
    written.catch(() => {}); // met again by the next who awaits it
    return written;
  };
  return {
    get crashes() {
      return crashes;
    },
    died(death) {
      crashes = afterDeath(crashes, death);
      return write();
    },
    checkpointed(key) {
      const before = sizeOf(crashes.caution);
      crashes = afterCheckpoint(crashes, key);
      if (sizeOf(crashes.caution) < before) write();
    },
    async close(keep) {
      if (keep) return written;
      await written.catch(() => {});
      await rm(path, { force: true });
    },
  };
}

const sizeOf = ({ suspects, condemned }: Caution): number => suspects.length + condemned.length;

/** Of all that decides which document a key means, and whether it crashes. */
function digestOf(configuration: Configuration): string {
  const { pool, out, cache, checkpoint, supervisor, maxSkipped, ...rest } = configuration;
  return createHash('sha256').update(JSON.stringify(rest)).digest('hex');
}

async function earlierCaution(path: string, digest: string): Promise<Caution | null> {
  try {
    const { configuration, ...caution } = pageSchema.parse(JSON.parse(await readFile(path, 'utf8')));
    return configuration === digest ? caution : null;
  } catch {
    return null; // lost, it costs a few deaths to learn again
  }
}

/** What a run goes on from: (next batch, fold states, counts), two generations of it, each written whole and hashed. */
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { exists } from '../../operators/files/exists.ts';
import { readHashed, writeHashed } from '../../operators/files/hashedFile.ts';
import { InputError, IntegrityError, ResourceError } from '../../schemas/errors.ts';
import type { OpenFold } from '../operators/folds.ts';
import { journalFault } from './journal.ts';

/** A pass between two batches. */
export interface Checkpoint {
  /** What the run is of, as canonical JSON. */
  identity: string;
  /** The digest of the query gradients that the scores so far are of; null where a custom operator yields the scores. */
  queryGradients: string | null;
  /** Counts up: of two generations the higher is the later. */
  generation: number;
  /** The next batch and the key of its first row. */
  batch: number;
  key: number;
  tally: Tally;
  /** How much of the journal belongs to it. */
  journalBytes: number;
  /** Each fold's state, serialized, in the order of the folds. */
  folds: { name: string; state: Uint8Array }[];
}

/** What a pass has met so far. */
export interface Tally {
  /** Rows read as documents: scored or set aside. */
  read: number;
  /** Rows that could not be read, under `onBadFile: skip`. */
  lost: number;
  /** Documents whose invalid text was replaced by U+FFFD. */
  replaced: number;
  /** How long the pass has taken, over all processes. */
  seconds: number;
}

const generations = 2;
const pathOf = (folder: string, slot: number): string => join(folder, `generation-${slot}.bin`);
export const journalPath = (folder: string): string => join(folder, 'journal.bin');

/** Takes the place of the older generation. Throws ResourceError; the newer one stays whole whatever happens. */
export async function writeCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  await writeHashed(pathOf(folder, checkpoint.generation % generations), [serialize(checkpoint)]);
}

/** A fold's state as bytes. Throws InputError where a fold of the user's keeps what cannot be written. */
export function serializeState({ name, state }: OpenFold): Uint8Array {
  try {
    return serialize(state);
  } catch (cause) {
    throw new InputError(
      `fold ${name}: its state cannot be written to a checkpoint (${(cause as Error).message}): keep plain data in it, ` +
        'no functions, symbols or class instances',
      { cause },
    );
  }
}

export function restoreState(bytes: Uint8Array): unknown {
  return deserialize(bytes);
}

/**
 * The latest generation that is whole together with its part of the journal; null where none was written yet. `say` hears of one that is
 * damaged. Throws IntegrityError where all that were written are.
 */
export async function latestCheckpoint(folder: string, say: (line: string) => void): Promise<Checkpoint | null> {
  const found: Checkpoint[] = [];
  const faults: string[] = [];
  for (let slot = 0; slot < generations; slot++) {
    const path = pathOf(folder, slot);
    if (!(await exists(path))) continue;
    const read = await readCheckpoint(folder, path).catch((error: Error) => {
      if (error instanceof ResourceError) throw error;
      faults.push(error.message);
      return null;
    });
    if (read) found.push(read);
  }
  for (const fault of faults) say(`${fault}${found.length > 0 ? ': going on from the one before' : ''}`);
  if (found.length === 0 && faults.length > 0)
    throw new IntegrityError(
      `no checkpoint in ${folder} is whole: ${faults.join('; ')}. Begin again with --no-resume, or put the files back`,
    );
  return found.sort((a, b) => b.generation - a.generation)[0] ?? null;
}

async function readCheckpoint(folder: string, path: string): Promise<Checkpoint> {
  const bytes = await readHashed(path).catch((cause: Error) => {
    if (cause instanceof ResourceError) throw cause;
    throw new Error(`the checkpoint ${path} is damaged (${cause.message})`, { cause });
  });
  const checkpoint = deserialize(bytes) as Checkpoint;
  const fault = await journalFault(journalPath(folder), checkpoint.journalBytes);
  if (fault !== null) throw new Error(`the checkpoint ${path} cannot be used: ${fault}`);
  return checkpoint;
}

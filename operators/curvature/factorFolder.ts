/** The folder of curvature factors in the cache: one file for each side and module, so that a fit goes on where it was stopped. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IntegrityError } from '../../schemas/errors.ts';
import { canonicalJson, fingerprint } from '../../schemas/fingerprint.ts';
import { orMadeAgain, type Say } from '../files/damagedFile.ts';
import { expectFingerprint } from '../files/differingKeys.ts';
import { exists } from '../files/exists.ts';
import { readSealedJson, writeSealedJson } from '../files/sealedJson.ts';
import { makeFolder } from '../files/wholeFile.ts';
import {
  openSafetensorsFile,
  openSealedSafetensors,
  readDoubles,
  readTensor,
  writeSealedSafetensors,
} from '../gradients/safetensors.ts';
import type { Eigenbasis } from './eigenbasisOfSide.ts';

/** Everything that factors depend on; two runs share them exactly where these agree. */
export interface FactorFingerprint {
  /** Raised when the files' meaning changes. */
  version: number;
  model: string;
  tokenizer: string;
  modules: string[];
  contextTokens: number;
  /** What the sample is drawn from. */
  corpus: unknown;
  documents: number;
  labels: string;
  blocks: number;
  seed: number;
}

export const FACTOR_VERSION = 1;

export interface FactorFolder {
  path: string;
  fingerprint: FactorFingerprint;
}

/** What is summed: over positions for covariances, over documents for squares. */
export interface Sums {
  values: Float64Array;
  count: number;
}

export type FactorKind = 'covariance' | 'eigenbasis' | 'squares' | 'fisher';

/**
 * The factors' folder in the cache, which is made when a factor is written to it. Throws IntegrityError where it was made for something
 * else.
 */
export async function openFactorFolder(cache: string, wanted: FactorFingerprint): Promise<FactorFolder> {
  const path = join(cache, `curvature-${fingerprint(wanted).slice(0, 16)}`);
  const found = await orMadeAgain(() => readSealedJson(fingerprintPath(path)));
  if (found) expectSameFit(path, canonicalJson(found.fingerprint), wanted);
  else if (await exists(path)) await writeFingerprint(path, wanted);
  return { path, fingerprint: wanted };
}

async function writeFingerprint(folder: string, fingerprint: FactorFingerprint): Promise<void> {
  await writeSealedJson(fingerprintPath(folder), [['fingerprint', canonicalJson(fingerprint)]]);
}

/** Says to people and programs what the folder is of; each file says it too. */
function fingerprintPath(folder: string): string {
  return join(folder, 'fingerprint.json');
}

function expectSameFit(path: string, found: string | undefined, wanted: FactorFingerprint): void {
  const remedy = 'Delete them, or run headwater fit for this configuration';
  expectFingerprint(`the curvature factors ${path} were`, found, wanted, remedy);
}

/** Where the same fit keeps the sums of one part of the sample. */
export function partFolder({ path, fingerprint }: FactorFolder, { index, count }: Part): FactorFolder {
  return { path: join(path, `part-${index}-of-${count}`), fingerprint };
}

/** Part `index` (from 1) of `count`. */
export interface Part {
  index: number;
  count: number;
}

/** The sets of parts that the folder has: `count`s of which at least one part is there. */
export async function partCounts({ path }: FactorFolder): Promise<number[]> {
  const names = await readdir(path).catch(() => []);
  const counts = names.map((name) => /^part-\d+-of-(\d+)$/.exec(name)?.[1]).filter((count) => count !== undefined);
  return [...new Set(counts.map(Number))].sort((a, b) => a - b);
}

/**
 * Whether the factor is there, its content checked: a damaged file is said, and counts as missing. Throws IntegrityError where it is of
 * another fit or another name.
 */
export async function hasFactor(folder: FactorFolder, kind: FactorKind, name: string, say?: Say): Promise<boolean> {
  const path = factorPath(folder, kind, name);
  const file = await orMadeAgain(() => openSealedSafetensors(path), say);
  if (file) expectFactor(path, file.metadata, folder, kind, name);
  return file !== null;
}

/** Names come from the model's tensors and are not to be trusted as file names: a digest stands behind what is readable of them. */
function factorPath({ path }: FactorFolder, kind: FactorKind, name: string): string {
  const readable = name.replace(/[^\w.-]/g, '_').slice(0, 80);
  return join(path, `${kind}-${readable}-${fingerprint(name).slice(0, 8)}.safetensors`);
}

export async function writeSums(folder: FactorFolder, kind: FactorKind, name: string, sums: Sums): Promise<void> {
  const { values, count } = sums;
  await writeFactor(folder, kind, name, count, [
    { name: 'sums', dtype: 'F64', shape: [values.length], pieces: [values] },
  ]);
}

/** Throws IntegrityError where the file is not whole or of another fit. */
export async function readSums(folder: FactorFolder, kind: FactorKind, name: string, length: number): Promise<Sums> {
  const { tensor, count } = await openFactor(folder, kind, name);
  return { values: await readDoubles(tensor('sums', [length])), count };
}

export async function writeEigenbasis(
  folder: FactorFolder,
  name: string,
  { values, vectors }: Eigenbasis,
  count: number,
): Promise<void> {
  await writeFactor(folder, 'eigenbasis', name, count, [
    { name: 'values', dtype: 'F64', shape: [values.length], pieces: [values] },
    { name: 'vectors', dtype: 'F32', shape: [vectors.length], pieces: [vectors] },
  ]);
}

/** `vectorsLength` is Σ n_b². Throws IntegrityError where the file is not whole or of another fit. */
export async function readEigenbasis(
  folder: FactorFolder,
  name: string,
  width: number,
  vectorsLength: number,
): Promise<Eigenbasis> {
  const { tensor } = await openFactor(folder, 'eigenbasis', name);
  const values = await readDoubles(tensor('values', [width]));
  return { values, vectors: await readTensor(tensor('vectors', [vectorsLength])) };
}

/** The eigenvalues alone, and the positions that the covariance was summed over. */
export async function readEigenvalues(folder: FactorFolder, name: string, width: number) {
  const { tensor, count } = await openFactor(folder, 'eigenbasis', name);
  return { values: await readDoubles(tensor('values', [width])), count };
}

type ToWrite = Parameters<typeof writeSealedSafetensors>[2];

async function writeFactor(folder: FactorFolder, kind: FactorKind, name: string, count: number, tensors: ToWrite) {
  await makeFolder(folder.path);
  if (!(await exists(fingerprintPath(folder.path)))) await writeFingerprint(folder.path, folder.fingerprint);
  const metadata = { fingerprint: canonicalJson(folder.fingerprint), factor: `${kind} ${name}`, count: String(count) };
  await writeSealedSafetensors(factorPath(folder, kind, name), metadata, tensors);
}

/** Opens a factor that `hasFactor` has found whole. */
async function openFactor(folder: FactorFolder, kind: FactorKind, name: string) {
  const path = factorPath(folder, kind, name);
  const { metadata, tensors } = await openSafetensorsFile(path).catch((cause: Error) =>
    refuse(path, 'a whole file of factors', cause.message, cause),
  );
  expectFactor(path, metadata, folder, kind, name);
  const tensor = (key: string, shape: number[]) => {
    const entry = tensors.get(key);
    if (!entry || String(entry.shape) !== String(shape))
      return refuse(path, `${key} of shape [${shape}]`, entry ? `[${entry.shape}]` : 'none');
    return entry;
  };
  return { tensor, count: Number(metadata.count) };
}

function expectFactor(
  path: string,
  metadata: Record<string, string>,
  folder: FactorFolder,
  kind: FactorKind,
  name: string,
): void {
  expectSameFit(path, metadata.fingerprint, folder.fingerprint);
  if (metadata.factor !== `${kind} ${name}`) refuse(path, `the ${kind} of ${name}`, metadata.factor ?? 'nothing');
}

function refuse(path: string, expected: string, found: string, cause?: Error): never {
  throw new IntegrityError(`${path} expected ${expected}, found ${found}: delete it and run headwater fit again`, {
    cause,
  });
}

/** The folder of a shard: fold states, journal and a manifest with their digests, there as a whole or not at all. */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { expectFingerprint } from '../../operators/files/differingKeys.ts';
import { exists } from '../../operators/files/exists.ts';
import { readHashed, writeHashed } from '../../operators/files/hashedFile.ts';
import { readSealedJson, writeSealedJson } from '../../operators/files/sealedJson.ts';
import { makeFolder, namedWrite, syncFolder, writeShared } from '../../operators/files/wholeFile.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { IntegrityError } from '../../schemas/errors.ts';
import { canonicalJson } from '../../schemas/fingerprint.ts';
import type { KeyRange } from '../supervisor/supervision.ts';
import { journalPath, serializeState, type Tally } from './checkpointFiles.ts';
import type { RunIdentity } from './runIdentity.ts';
import { type Shard, shardFolder } from './shards.ts';

/** What a shard's folder says of itself. */
export interface ShardManifest {
  version: number;
  shard: Shard;
  range: KeyRange;
  /** Of the whole run. */
  identity: RunIdentity;
  /** The digest of the query gradients; null where a custom operator yields the scores. */
  queryGradients: string | null;
  configuration: Configuration;
  /** Digests of the other files. */
  files: { name: string; sha256: string }[];
}

/** What the pass over a shard came to. */
export interface ShardResult {
  tally: Tally;
  journalBytes: number;
  folds: { name: string; state: Uint8Array }[];
}

const VERSION = 1;
const MANIFEST = 'manifest.json';
const FOLDS = 'folds.bin';
const JOURNAL = basename(journalPath(''));

/** Writes the folder beside its place and moves it there; gives its path. Throws ResourceError. */
export async function commitShard(
  manifest: Omit<ShardManifest, 'version' | 'files'>,
  folds: Parameters<typeof serializeState>[0][],
  result: Omit<ShardResult, 'folds'>,
  journal: string,
): Promise<string> {
  const path = shardFolder(manifest.configuration.out, manifest.shard);
  const partial = `${path}.${randomUUID()}.partial`;
  await makeFolder(partial);
  try {
    const states = folds.map((fold) => ({ name: fold.name, state: serializeState(fold) }));
    await writeHashed(join(partial, FOLDS), [serialize({ ...result, folds: states })]);
    await writeShared(join(partial, JOURNAL), createReadStream(journal));
    const names = [FOLDS, JOURNAL];
    const files = await Promise.all(names.map(async (name) => ({ name, sha256: await digestOf(join(partial, name)) })));
    const fields = Object.entries({ version: VERSION, ...manifest, files });
    await writeSealedJson(
      join(partial, MANIFEST),
      fields.map(([name, value]) => [name, JSON.stringify(value)]),
    );
    await putInPlace(partial, path);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return path;
}

/** A folder cannot be renamed over a full one: the earlier one steps aside first. */
async function putInPlace(partial: string, path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}.partial`;
  if (await exists(path)) await namedWrite(path, () => rename(path, aside));
  await namedWrite(path, () => rename(partial, path));
  await syncFolder(dirname(path));
  await rm(aside, { recursive: true, force: true });
}

/** The folder of the shard where it is whole already. Throws IntegrityError where it is of another run. */
export async function wholeShard(out: string, shard: Shard, identity: RunIdentity): Promise<string | null> {
  const path = shardFolder(out, shard);
  if (!(await exists(path))) return null;
  const { identity: found } = await readManifest(path);
  const remedy = 'Name another folder with --out, or begin again with --no-resume, which replaces it';
  expectFingerprint(`the shard ${path} was`, canonicalJson(found), identity, remedy);
  return path;
}

/** Throws IntegrityError where the folder is not a whole shard's. */
export async function readManifest(path: string): Promise<ShardManifest> {
  const manifest = (await readSealedJson(join(path, MANIFEST)).catch(notWhole)) as unknown as ShardManifest;
  if (manifest.version !== VERSION)
    throw new IntegrityError(
      `the shard ${path} expected a manifest of version ${VERSION}, found ${manifest.version}: compute it again`,
    );
  return manifest;
}

/** What the pass came to, its files checked against the manifest. Throws IntegrityError. */
export async function readShard(path: string, { files }: ShardManifest): Promise<ShardResult & { journal: string }> {
  for (const { name, sha256 } of files) {
    const found = await digestOf(join(path, name)).catch(notWhole);
    if (found !== sha256)
      throw new IntegrityError(
        `the shard ${path} is damaged: ${name} expected the SHA-256 ${sha256}, found ${found}. Compute it again, or fetch it again`,
      );
  }
  const result = deserialize(await readHashed(join(path, FOLDS)).catch(notWhole)) as ShardResult;
  return { ...result, journal: join(path, JOURNAL) };
}

function notWhole(cause: Error): never {
  throw new IntegrityError(`a shard is not whole: ${cause.message}. Compute it again, or fetch it again`, { cause });
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const block of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(block);
  return hash.digest('hex');
}

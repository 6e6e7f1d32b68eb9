/** The merge: the folds of all shards of a run, put together in reading order, become the run folder of the whole. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expectFingerprint } from '../../operators/files/differingKeys.ts';
import { exists } from '../../operators/files/exists.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { IntegrityError, UsageError } from '../../schemas/errors.ts';
import { canonicalJson } from '../../schemas/fingerprint.ts';
import { beginRun, endRun } from '../checkpoints/beginRun.ts';
import { restoreState, type Tally } from '../checkpoints/checkpointFiles.ts';
import { type JournalEntry, readJournal } from '../checkpoints/journal.ts';
import { type RunIdentity, runIdentity } from '../checkpoints/runIdentity.ts';
import { readManifest, readShard, type ShardManifest, type ShardResult } from '../checkpoints/shardFolder.ts';
import { openFolds } from '../operators/customOperators.ts';
import type { Prepared } from './prepare.ts';
import { openRun } from './run/openRun.ts';
import { openRunFolds } from './run/pass.ts';
import { RunFolder } from './run/runFolder.ts';
import { Clock, type Streamed } from './run/streamed.ts';
import { doneAlready, openInputs, rangeOf, type StageResult } from './run.ts';
import type { StageHooks } from './stageHooks.ts';

/** A shard's folder and what it says of itself. */
interface FoundShard {
  path: string;
  manifest: ShardManifest;
}

/**
 * Merges the shards in `folders`, each a shard's folder or one that shards of a run were written to, into the run folder `out`.
 * `configuration` says where model and corpus lie here; by default, where they lay for the shards. Throws
 * IntegrityError where a shard is there twice, missing, damaged or of another run.
 */
export async function mergeStage(
  folders: string[],
  out: string,
  hooks: StageHooks,
  configuration?: Configuration,
): Promise<StageResult> {
  const clock = new Clock();
  const shards = inOrder(await findShards(folders));
  const { manifest } = shards[0];
  const { prepared, corpus } = await openInputs({ ...(configuration ?? manifest.configuration), out }, hooks);
  const identity = await runIdentity(prepared, corpus);
  expectSameInputs(manifest.identity, identity);
  expectWhole(shards, rangeOf(prepared.configuration, corpus));
  const begun = await beginRun(out, identity, { resume: hooks.resume ?? true, log: hooks.log });
  if (begun.done) return { exitCode: begun.done.exitCode, summary: doneAlready(out) };
  const run = await openRun(prepared, corpus, clock, hooks);
  if ((run.queries?.digest ?? null) !== manifest.queryGradients)
    throw new IntegrityError(
      `the shards were scored with other query gradients than ${prepared.configuration.cache} has: merge with the cache that they used`,
    );
  const streamed = await mergeShards(prepared, shards);
  clock.lap('merge');
  const written = await new RunFolder(run, identity, begun.earlier, clock, hooks).write(streamed);
  await endRun(out);
  return written;
}

async function findShards(folders: string[]): Promise<FoundShard[]> {
  const found: FoundShard[] = [];
  for (const folder of folders)
    for (const path of await shardsOf(folder)) found.push({ path, manifest: await readManifest(path) });
  return found;
}

/** The folder itself where it is a shard's, else those it has below `shards`. */
async function shardsOf(folder: string): Promise<string[]> {
  if (await exists(join(folder, 'manifest.json'))) return [folder];
  const below = join(folder, 'shards');
  const names = await readdir(below).catch(() => [] as string[]);
  const shards = names.filter((name) => /^\d+-of-\d+$/.test(name)).map((name) => join(below, name));
  if (shards.length > 0) return shards.sort();
  throw new UsageError(
    `merge expected the folder of a shard, or of a run that shards were computed for with run --shard, got ${folder}`,
  );
}

/** By index. Throws IntegrityError where one is of another run, or there twice. */
function inOrder(shards: FoundShard[]): FoundShard[] {
  const [first, ...others] = shards;
  for (const { path, manifest } of others) {
    const remedy = `Leave it out, or compute it again for the run of ${first.path}`;
    const facts = ({ identity, queryGradients, shard }: ShardManifest) => {
      return { ...identity, queryGradients, shards: shard.count };
    };
    expectFingerprint(`the shard ${path} was`, canonicalJson(facts(manifest)), facts(first.manifest), remedy);
  }
  const sorted = shards.toSorted((a, b) => a.manifest.shard.index - b.manifest.shard.index);
  for (const [i, { path, manifest }] of sorted.entries())
    if (i > 0 && sorted[i - 1].manifest.shard.index === manifest.shard.index)
      throw new IntegrityError(
        `merge expected each shard once, got shard ${nameOf(manifest)} twice: ${sorted[i - 1].path} and ${path}. Leave one out`,
      );
  return sorted;
}

const nameOf = ({ shard: { index, count } }: ShardManifest): string => `${index} of ${count}`;

/** Every row of the run must be in exactly one shard. */
function expectWhole(shards: FoundShard[], { keyStart, keyEnd }: ShardManifest['range']): void {
  const { count } = shards[0].manifest.shard;
  const there = new Set(shards.map(({ manifest }) => manifest.shard.index));
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !there.has(index));
  if (missing.length > 0)
    throw new IntegrityError(
      `merge expected all ${count} shards, got ${shards.length}: ${missing.join(', ')} of ${count} is missing. Compute it with run --shard ` +
        `${missing[0]}/${count}, or name its folder`,
    );
  let next = keyStart;
  for (const { path, manifest } of shards) {
    if (manifest.range.keyStart !== next) throw overlap(path, manifest, next);
    next = manifest.range.keyEnd;
  }
  if (next !== keyEnd) throw overlap(shards[count - 1].path, shards[count - 1].manifest, keyEnd);
}

function overlap(path: string, { range }: ShardManifest, next: number): IntegrityError {
  return new IntegrityError(
    `merge expected shards that meet, got ${path} with rows ${range.keyStart} to ${range.keyEnd} where one of row ${next} was expected: ` +
      'compute all shards of a run with the same N',
  );
}

function expectSameInputs(shards: RunIdentity, here: RunIdentity): void {
  const remedy = 'Merge where the model, corpus, queries and operators are the ones that the shards were computed with';
  expectFingerprint('the shards were', canonicalJson(shards), here, remedy);
}

/** The folds of the whole: each shard's state added to those before it. */
async function mergeShards(prepared: Prepared, shards: FoundShard[]): Promise<Streamed> {
  const folds = openRunFolds(prepared);
  const custom = openFolds(prepared.custom, prepared.facts);
  const results: Awaited<ReturnType<typeof readShard>>[] = [];
  for (const { path, manifest } of shards) {
    const result = await readShard(path, manifest);
    for (const [i, fold] of [...Object.values(folds), ...custom].entries())
      fold.merge(restoreState(result.folds[i].state));
    results.push({ ...result, folds: [] });
  }
  return { folds, custom, tally: addTallies(results), entries: () => entriesOf(results) };
}

function addTallies(results: ShardResult[]): Tally {
  const total: Tally = { read: 0, lost: 0, replaced: 0, seconds: 0 };
  for (const { tally } of results) for (const key of Object.keys(total) as (keyof Tally)[]) total[key] += tally[key];
  return total;
}

async function* entriesOf(results: { journal: string; journalBytes: number }[]): AsyncGenerator<JournalEntry> {
  for (const { journal, journalBytes } of results) yield* readJournal(journal, journalBytes);
}

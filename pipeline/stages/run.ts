/** The run stage: the one pass over the corpus, from the opened inputs to the run folder, or over one shard of it to the shard's folder. */
import type { Corpus } from '../../operators/documents/corpus.ts';
import { divideRows } from '../../operators/documents/divideRows.ts';
import { openCorpus } from '../../operators/documents/openCorpus.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { canonicalJson } from '../../schemas/fingerprint.ts';
import { type BegunRun, beginRun, endRun } from '../checkpoints/beginRun.ts';
import { journalPath } from '../checkpoints/checkpointFiles.ts';
import { readJournal } from '../checkpoints/journal.ts';
import { runIdentity } from '../checkpoints/runIdentity.ts';
import { commitShard, wholeShard } from '../checkpoints/shardFolder.ts';
import { type Shard, shardOut } from '../checkpoints/shards.ts';
import { type KeyRange, unsupervised } from '../supervisor/supervision.ts';
import { completed, prepare } from './prepare.ts';
import { type OpenRun, openRun } from './run/openRun.ts';
import { Pass } from './run/pass.ts';
import { RunFolder } from './run/runFolder.ts';
import { streamCorpus } from './run/streamCorpus.ts';
import { Clock, type Streamed } from './run/streamed.ts';
import type { StageHooks } from './stageHooks.ts';

export interface StageResult {
  exitCode: number;
  summary: string;
}

/**
 * Runs the whole flow and writes the run folder, or passes over one shard and leaves what `headwater merge` needs of it. Goes on from the
 * folder's checkpoint where it holds one of this very run. A run that is asked to stop leaves a checkpoint and rejects with the signal's
 * reason.
 */
export function runStage(
  configuration: Configuration,
  hooks: StageHooks,
  shard: Shard | null = null,
): Promise<StageResult> {
  return shard ? runShard(configuration, shard, hooks) : runWhole(configuration, hooks);
}

async function runWhole(configuration: Configuration, hooks: StageHooks): Promise<StageResult> {
  const clock = new Clock();
  const { prepared, corpus } = await openInputs(configuration, hooks);
  const identity = await runIdentity(prepared, corpus);
  const begun = await beginRun(configuration.out, identity, { resume: hooks.resume ?? true, log: hooks.log });
  if (begun.done) return { exitCode: begun.done.exitCode, summary: doneAlready(configuration.out) };
  const run = await openRun(prepared, corpus, clock, hooks);
  const range = rangeOf(configuration, corpus);
  const pass = await openPass(run, canonicalJson(identity), range, begun, hooks);
  try {
    await streamCorpus(run, pass, hooks);
    clock.lap('stream', pass.counts.seconds);
    const folder = new RunFolder(run, identity, begun.earlier, clock, hooks);
    const written = await folder.write(streamedOf(pass));
    await endRun(configuration.out);
    return written;
  } finally {
    await pass.close();
  }
}

async function runShard(configuration: Configuration, shard: Shard, hooks: StageHooks): Promise<StageResult> {
  const { prepared, corpus } = await openInputs(configuration, hooks);
  const identity = await runIdentity(prepared, corpus);
  const own = { ...identity, shard: `${shard.index}/${shard.count}` };
  const done = hooks.resume === false ? null : await wholeShard(configuration.out, shard, identity);
  const out = shardOut(configuration.out, shard);
  if (done) {
    await endRun(out); // a kill may have come between the shard's commit and this
    return { exitCode: 0, summary: doneAlready(done) };
  }
  const begun = await beginRun(out, own, { resume: hooks.resume ?? true, log: hooks.log });
  if (begun.done) return { exitCode: begun.done.exitCode, summary: doneAlready(out) };
  const range = await shardRange(configuration, corpus, shard);
  const run = await openRun(prepared, corpus, new Clock(), hooks);
  const pass = await openPass(run, canonicalJson(own), range, begun, hooks);
  try {
    await streamCorpus(run, pass, hooks);
    const { counts: tally, journalBytes, allFolds, of } = pass;
    const manifest = { shard, range, identity, queryGradients: run.queries?.digest ?? null, configuration };
    const folder = await commitShard(manifest, allFolds, { tally, journalBytes }, journalPath(of.folder));
    await endRun(out);
    return { exitCode: 0, summary: shardSummary(folder, shard, pass) };
  } finally {
    await pass.close();
  }
}

/** The inputs of a run, opened and checked. */
export async function openInputs(configuration: Configuration, hooks: StageHooks) {
  const prepared = await completed(await prepare(configuration, hooks), hooks);
  return { prepared, corpus: await openCorpus(configuration.corpus, configuration.folder) };
}

/** The keys that `skip` and `limit` leave of the corpus. */
export function rangeOf({ corpus: { skip, limit } }: Configuration, { rows }: Corpus): KeyRange {
  const keyStart = Math.min(skip, rows);
  return { keyStart, keyEnd: Math.min(rows, skip + (limit ?? rows)) };
}

async function shardRange(configuration: Configuration, corpus: Corpus, { index, count }: Shard): Promise<KeyRange> {
  const { keyStart, keyEnd } = rangeOf(configuration, corpus);
  const ranges = await divideRows(corpus, configuration.corpus, keyStart, keyEnd, count, configuration.slice.rows);
  return ranges[index - 1];
}

function openPass(
  { prepared, corpus, queries }: OpenRun,
  identity: string,
  range: KeyRange,
  { checkpoints, from }: BegunRun,
  { supervision = unsupervised, log }: StageHooks,
): Promise<Pass> {
  const { keepScores, checkpoint } = prepared.configuration;
  const of = {
    identity,
    queryGradients: queries?.digest ?? null,
    corpus,
    range,
    folder: checkpoints,
    keepScores,
    ...checkpoint,
  };
  if (from) log(`going on from the checkpoint behind row ${from.key.toLocaleString('en')} of the corpus`);
  return Pass.open(prepared, { ...of, checkpointed: supervision.checkpointed }, from);
}

function streamedOf(pass: Pass): Streamed {
  const { folds, custom, counts, of, journalBytes } = pass;
  return { folds, custom, tally: counts, entries: () => readJournal(journalPath(of.folder), journalBytes) };
}

export function doneAlready(folder: string): string {
  return `this run is done already: results in ${folder}\nrun it again with --no-resume, which replaces them\n`;
}

function shardSummary(folder: string, { index, count }: Shard, pass: Pass): string {
  const { keyStart, keyEnd } = pass.of.range;
  const rows = `rows ${keyStart.toLocaleString('en')} to ${(keyEnd - 1).toLocaleString('en')}`;
  return (
    `shard ${index} of ${count}: ${keyEnd > keyStart ? rows : 'no rows'}, in ${folder}\n` +
    'once all shards are there: headwater merge, with their folders\n'
  );
}

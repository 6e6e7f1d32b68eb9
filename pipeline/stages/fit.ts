/** The fit stage: the curvature factors of a configuration, from the cache or estimated from a sample of the corpus. */
import { eigenLibrary } from '../../operators/curvature/eigendecompose.ts';
import {
  FACTOR_VERSION,
  type FactorFingerprint,
  type FactorFolder,
  openFactorFolder,
  type Part,
  readEigenvalues,
} from '../../operators/curvature/factorFolder.ts';
import { ROUNDING } from '../../operators/curvature/moduleCurvature.ts';
import { sidesOf } from '../../operators/curvature/sides.ts';
import type { Corpus } from '../../operators/documents/corpus.ts';
import { openCorpus } from '../../operators/documents/openCorpus.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { UsageError } from '../../schemas/errors.ts';
import { coverageLines } from './coverage.ts';
import { fitFactors } from './fit/curvature.ts';
import { sampleSize } from './fit/fitting.ts';
import { type PreparedModel, prepareModel } from './prepare.ts';
import { Clock } from './run/streamed.ts';
import type { StageHooks } from './stageHooks.ts';
import { tidyCache } from './tidyCache.ts';
import { needsFactors, wantedFactors } from './wantedFactors.ts';

/** Estimates the factors alone, all of them or what one part of the sample adds to them. */
export async function fitStage(
  configuration: Configuration,
  hooks: StageHooks,
  part: Part | null = null,
): Promise<{ summary: string }> {
  if (!needsFactors(configuration))
    throw new UsageError(
      `fit: preconditioner ${configuration.preconditioner.kind} with projection ${configuration.projection.kind} needs no curvature: ` +
        'there is nothing to estimate',
    );
  await tidyCache(configuration.cache, hooks);
  const prepared = await prepareModel(configuration, hooks);
  const corpus = await openCorpus(configuration.corpus, configuration.folder);
  const folder = await openFactorFolder(configuration.cache, await factorFingerprint(prepared, corpus));
  sayLibrary(hooks);
  const clock = new Clock();
  const done = await fitFactors({ prepared, corpus, folder, hooks, part, clock }, wantedFactors(configuration));
  const lines = done ? await rankLines(prepared, folder) : [openParts(part!)];
  const seconds = Object.entries(clock.seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`);
  const state = `curvature of ${prepared.coverage.modules.length} layers in ${folder.path}`;
  return { summary: [...coverageLines(prepared.coverage), ...lines, `time: ${seconds.join(', ')}`, state].join('\n') };
}

function openParts({ index, count }: Part): string {
  return (
    `part ${index} of ${count} is done as far as it can be: once all ${count} are, the next headwater fit merges them and goes on ` +
    '(the eigenvectors of the whole come between the covariances and the squared gradients)'
  );
}

/** The factors that a configuration needs, estimated where the cache lacks them; null where it needs none. */
export async function cachedFactors(
  prepared: PreparedModel,
  corpus: Corpus,
  hooks: StageHooks,
): Promise<FactorFolder | null> {
  await tidyCache(prepared.configuration.cache, hooks);
  const folder = await wantedFolder(prepared, corpus);
  if (!folder) return null;
  sayLibrary(hooks);
  const fitting = { prepared, corpus, folder, hooks, part: null, clock: new Clock() };
  await fitFactors(fitting, wantedFactors(prepared.configuration));
  for (const line of await rankLines(prepared, folder)) hooks.log(line);
  hooks.log(`curvature: ${folder.path}`);
  return folder;
}

/** The folder that the factors of this configuration are in or will be; nothing is written. Null where none are needed. */
export async function wantedFolder(prepared: PreparedModel, corpus: Corpus): Promise<FactorFolder | null> {
  if (!needsFactors(prepared.configuration)) return null;
  return openFactorFolder(prepared.configuration.cache, await factorFingerprint(prepared, corpus));
}

/** What the factors of this configuration depend on. */
async function factorFingerprint(prepared: PreparedModel, corpus: Corpus): Promise<FactorFingerprint> {
  const { configuration, folder, tokenizer, coverage } = prepared;
  return {
    version: FACTOR_VERSION,
    model: await folder.fingerprint(),
    tokenizer: tokenizer.fingerprint,
    modules: coverage.modules.map(({ name }) => name),
    contextTokens: configuration.contextTokens,
    corpus: {
      files: corpus.files.map(({ rows, bytes, footerHash }) => ({ rows, bytes, footerHash })),
      textColumn: configuration.corpus.textColumn,
      invalidText: configuration.corpus.invalidText,
    },
    documents: sampleSize(prepared, corpus),
    labels: configuration.fit.labels,
    blocks: configuration.fit.blocks,
    seed: configuration.seed,
  };
}

/** Without a LAPACK, wide layers take long: said before they do. */
function sayLibrary({ log }: StageHooks): void {
  const { notice } = eigenLibrary();
  if (notice) log(notice);
}

/** Says where the sample was too small for the layers' width. */
async function rankLines({ configuration, coverage }: PreparedModel, folder: FactorFolder): Promise<string[]> {
  if (!wantedFactors(configuration).eigenbases) return [];
  const sides = sidesOf(coverage.modules);
  const ranks = await Promise.all(
    sides.map(async ({ name, width }) => {
      const { values, count } = await readEigenvalues(folder, name, width);
      const largest = values.reduce((max, value) => Math.max(max, value), 0);
      const rank = values.reduce((sum, value) => sum + Number(value > ROUNDING * largest), 0);
      return { name, width, rank, count };
    }),
  );
  const short = ranks.filter(({ width, count }) => count < width);
  if (short.length === 0) return [];
  const worst = short.reduce((a, b) => (a.rank / a.width <= b.rank / b.width ? a : b));
  return [
    `fit: the sample's ${worst.count.toLocaleString('en')} tokens are too few for ${short.length} of ${ranks.length} covariances: ` +
      `${worst.name} has rank ${worst.rank} of ${worst.width}, and damping alone stands for the rest; raise fit.documents (${configuration.fit.documents})`,
  ];
}

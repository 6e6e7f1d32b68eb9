/** The fit stage's work: covariances, their eigenbases and squared gradients in them, each computed only where the cache lacks it. */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type AccumulateInput,
  failSums,
  openSums,
  type SharedSums,
} from '../../../operators/curvature/accumulateCurvature.ts';
import {
  type CurvatureModel,
  eigenvectorName,
  writeCovarianceModel,
  writeSquaresModel,
} from '../../../operators/curvature/curvatureModel.ts';
import type { Eigenbasis, SideCovariance } from '../../../operators/curvature/eigenbasisOfSide.ts';
import {
  type FactorFolder,
  type FactorKind,
  hasFactor,
  type Part,
  partFolder,
  readEigenbasis,
  readSums,
  writeEigenbasis,
  writeSums,
} from '../../../operators/curvature/factorFolder.ts';
import { blockBounds, type Side, sidesOf, sumsLength } from '../../../operators/curvature/sides.ts';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import type { Module } from '../../../operators/gradients/projections.ts';
import { type ExtraWeights, layOutExtra } from '../../../operators/gradients/tappedGraph.ts';
import { InputError } from '../../../schemas/errors.ts';
import { fingerprint } from '../../../schemas/fingerprint.ts';
import { inFlight } from '../../inFlight.ts';
import { builtIn } from '../../operators/loadOperator.ts';
import type { PreparedModel } from '../prepare.ts';
import type { StageHooks } from '../stageHooks.ts';
import type { Clock } from '../streamed.ts';
import { withPool } from '../withPool.ts';
import { fitParts, type SampleTally } from './fitParts.ts';
import { covarianceItems, groupItems, type SumItem, squaresItems } from './fitPasses.ts';
import { mergeParts } from './mergeParts.ts';
import { partOfKeys, sampleKeys } from './sampleKeys.ts';

/** Which factors a preconditioner or a projection asks for. */
export interface WantedFactors {
  /** Covariances and their eigenbases. */
  eigenbases: boolean;
  /** Λ in the eigenbases. */
  squares: boolean;
  /** The diagonal of the Fisher matrix. */
  fisher: boolean;
}

/** What a fit works with. */
export interface Fitting {
  prepared: PreparedModel;
  corpus: Corpus;
  folder: FactorFolder;
  hooks: StageHooks;
  /** The part of the sample that this process is given; null for all of it. */
  part: Part | null;
  /** Told how long each kind of factor took. */
  clock: Clock;
}

/** Computes what is missing. False where a part is done and the others are still to come. */
export async function fitFactors(fitting: Fitting, wanted: WantedFactors): Promise<boolean> {
  const { modules } = fitting.prepared.coverage;
  const { blocks } = fitting.prepared.configuration.fit;
  if (wanted.eigenbases) {
    const bases = sidesOf(modules);
    const missing = await missingOf(fitting.folder, 'eigenbasis', bases);
    const needed = new Set(missing.map(({ name }) => name));
    const items = covarianceItems(modules, blocks).filter(({ name }) => needed.has(name));
    if (!(await ensureSums(fitting, 'covariance', items, covarianceGraph))) return false;
    fitting.clock.lap(titles.covariance);
    await decomposeSides(fitting, missing);
    fitting.clock.lap(titles.eigenbasis);
  }
  if (wanted.squares && !(await ensureSums(fitting, 'squares', squaresItems(modules), squaresGraph))) return false;
  if (wanted.fisher && !(await ensureSums(fitting, 'fisher', squaresItems(modules), fisherGraph))) return false;
  fitting.clock.lap(titles.squares);
  return true;
}

async function missingOf<T extends { name: string }>(folder: FactorFolder, kind: FactorKind, items: T[]): Promise<T[]> {
  const there = await Promise.all(items.map(({ name }) => hasFactor(folder, kind, name)));
  return items.filter((_, i) => !there[i]);
}

/** Writes the graph of one pass; `dispose` takes away what only that pass needs. */
type PassGraph<Of> = (fitting: Fitting, of: Of[]) => Promise<{ model: CurvatureModel; dispose?: () => Promise<void> }>;

async function ensureSums<Of extends Side | Module>(
  fitting: Fitting,
  kind: FactorKind,
  items: SumItem<Of>[],
  graph: PassGraph<Of>,
): Promise<boolean> {
  const { folder, part, prepared } = fitting;
  const lacking = async () => {
    const missing = await missingOf(folder, kind, items);
    return missing.length === 0 ? missing : mergeParts(folder, kind, missing, fitting.hooks.log);
  };
  const missing = await lacking();
  if (missing.length === 0) return true;
  const target = part ? partFolder(folder, part) : folder;
  const groups = groupItems(
    await missingOf(target, kind, missing),
    prepared.configuration.fit.memoryMiB,
    prepared.pool.workers,
  );
  for (const [pass, group] of groups.entries()) {
    fitting.hooks.progress.stage(passTitle(kind, pass, groups.length, part), sampleOf(fitting).length);
    await sumGroup(fitting, target, kind, group, graph);
  }
  return (part ? await lacking() : []).length === 0;
}

const titles: Record<FactorKind, string> = {
  covariance: 'covariances',
  eigenbasis: 'eigenvectors',
  squares: 'squared gradients',
  fisher: 'squared gradients',
};

function passTitle(kind: FactorKind, pass: number, passes: number, part: Part | null): string {
  const which = passes > 1 ? `, pass ${pass + 1} of ${passes}` : '';
  return `${titles[kind]}${which}${part ? ` (part ${part.index} of ${part.count})` : ''}`;
}

/** One pass over the sample: every part through the pool, added up in order, written under each item's name. */
async function sumGroup<Of>(
  fitting: Fitting,
  target: FactorFolder,
  kind: FactorKind,
  group: SumItem<Of>[],
  graph: PassGraph<Of>,
): Promise<void> {
  const of = group.map((item) => item.of);
  const { model, dispose } = await graph(fitting, of);
  try {
    const sums = openSums(model.lengths);
    const tally = await sumParts(fitting, model, sums, maxWindows(fitting, kind, group));
    const count = kind === 'covariance' ? tally.positions : tally.documents;
    for (const [i, { name }] of group.entries()) await writeSums(target, kind, name, { values: sums.arrays[i], count });
    fitting.hooks.progress.done();
  } finally {
    await dispose?.();
  }
}

async function sumParts(
  { prepared, corpus, hooks, part }: Fitting,
  model: CurvatureModel,
  sums: SharedSums,
  windows: number,
): Promise<SampleTally> {
  const { threadsPerWorker, workers } = prepared.pool;
  const tally: SampleTally = { documents: 0, positions: 0, setAside: 0 };
  const keys = sampleOf({ prepared, corpus, part });
  const spec = {
    module: builtIn('curvature/accumulateCurvature'),
    // Prepacking would copy every eigenvector matrix into each worker.
    settings: { model, threadsPerWorker, prepack: false },
  };
  await withPool(prepared, hooks, (pool) =>
    inFlight(fitParts(prepared, corpus, keys, windows, tally), 2 * workers, async (part, ticket) => {
      const input: AccumulateInput = { part, ticket, sums };
      await pool.job(spec, input).catch((error) => {
        failSums(sums);
        throw error;
      });
      const { windows } = part;
      hooks.progress.advance({
        items: windows.lossFrom.length,
        tokens: windows.ids.length - windows.lossFrom.length,
      });
    }),
  );
  if (tally.documents === 0)
    throw new InputError(
      `fit expected documents with at least two tokens, and none of the ${keys.length} it drew has them: see corpus and fit.documents`,
    );
  return tally;
}

/**
 * The keys of the documents that this process sums over: of the whole corpus, whatever part of it (skip, limit) a run scores, so that all
 * runs over one corpus share one curvature.
 */
export function sampleOf({ prepared, corpus, part }: Pick<Fitting, 'prepared' | 'corpus' | 'part'>): Float64Array {
  const { configuration } = prepared;
  const keys = sampleKeys(configuration.seed, 0, corpus.rows, configuration.fit.documents);
  return part ? partOfKeys(keys, part) : keys;
}

/** Squares take a gradient of each window at once: no more of them than half of the memory setting holds. */
function maxWindows<Of>({ prepared }: Fitting, kind: FactorKind, group: SumItem<Of>[]): number {
  if (kind === 'covariance') return Number.POSITIVE_INFINITY;
  const largest = Math.max(...group.map(({ length }) => length));
  const bytes = (prepared.configuration.fit.memoryMiB * 2 ** 20) / 2 / prepared.pool.workers;
  // A gradient and its square.
  return Math.max(1, Math.floor(bytes / (8 * largest)));
}

function graphSettings({ prepared: { configuration } }: Fitting) {
  const { contextTokens, batchTokens, fit } = configuration;
  return { contextTokens, batchTokens, labels: fit.labels, blocks: fit.blocks };
}

const covarianceGraph: PassGraph<Side> = async (fitting, sides) => {
  const { folder, configuration } = fitting.prepared;
  return { model: await writeCovarianceModel(folder, graphSettings(fitting), sides, configuration.cache) };
};

const fisherGraph: PassGraph<Module> = async (fitting, modules) => {
  const { folder, configuration } = fitting.prepared;
  return { model: await writeSquaresModel(folder, graphSettings(fitting), modules, null, configuration.cache) };
};

const squaresGraph: PassGraph<Module> = async (fitting, modules) => {
  const { folder, configuration } = fitting.prepared;
  const eigenvectors = await eigenvectorWeights(fitting, modules);
  const model = await writeSquaresModel(folder, graphSettings(fitting), modules, eigenvectors, configuration.cache);
  // The eigenvectors' copy beside the model's weights is as large as they are.
  return { model, dispose: () => rm(join(dirname(model.path), eigenvectors.file), { force: true }) };
};

async function eigenvectorWeights({ prepared, folder }: Fitting, modules: Module[]): Promise<ExtraWeights> {
  const { blocks } = prepared.configuration.fit;
  const arrays = new Map<string, Float32Array>();
  for (const side of sidesTakenBy(modules, prepared.coverage.modules)) {
    const { vectors } = await readEigenbasis(folder, side.name, side.width, vectorsLength(side, blocks));
    let at = 0;
    for (const [block, [start, end]] of blockBounds(side.width, blocks).entries()) {
      const length = (end - start) ** 2;
      arrays.set(eigenvectorName(side.name, block), vectors.subarray(at, at + length));
      at += length;
    }
  }
  const names = modules.map(({ name }) => name);
  return layOutExtra('eigenvectors', fingerprint({ factors: folder.fingerprint, names }), arrays);
}

/** Both sides of each of `modules`, a shared input side under its owner's name. */
function sidesTakenBy(modules: Module[], tracked: Module[]): Side[] {
  const names = new Set(modules.flatMap(({ name, inputOf }) => [`${inputOf}.inputs`, `${name}.outputs`]));
  return sidesOf(tracked).filter(({ name }) => names.has(name));
}

async function decomposeSides({ prepared, folder, hooks }: Fitting, sides: Side[]): Promise<void> {
  if (sides.length === 0) return;
  const { blocks } = prepared.configuration.fit;
  hooks.progress.stage(titles.eigenbasis, sides.length, 'matrices');
  const spec = { module: builtIn('curvature/eigenbasisOfSide'), settings: null };
  // The widest first: one of them alone at the end would leave the other workers idle.
  const widestFirst = [...sides].sort((a, b) => b.width - a.width);
  await withPool(prepared, hooks, (pool) =>
    inFlight(widestFirst, pool.workers, async (side) => {
      const sums = await readSums(folder, 'covariance', side.name, sumsLength(side.width, blocks));
      const input: SideCovariance = { side, blocks, sums: sums.values, count: sums.count };
      const basis = await pool.job<SideCovariance, Eigenbasis>(spec, input);
      await writeEigenbasis(folder, side.name, basis, sums.count);
      hooks.progress.advance({ items: 1, tokens: 0 });
    }),
  );
  hooks.progress.done();
}

/** Σ n_b². */
export function vectorsLength({ width }: Side, blocks: number): number {
  return blockBounds(width, blocks).reduce((sum, [start, end]) => sum + (end - start) ** 2, 0);
}

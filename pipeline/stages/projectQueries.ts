/** The built-in query gradients: taps of every query, then layer by layer preconditioned at full rank, projected and written. */
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FactorFolder } from '../../operators/curvature/factorFolder.ts';
import type { CurvatureSettings } from '../../operators/curvature/moduleCurvature.ts';
import { sidesOf } from '../../operators/curvature/sides.ts';
import { drawProjection, type Module } from '../../operators/gradients/projections.ts';
import { allotWidths, type Widths } from '../../operators/queries/projection/allotWidths.ts';
import type { QueryNorms } from '../../operators/queries/projection/measureQueries.ts';
import type { CoresTask, LayerCores, LayerProjection } from '../../operators/queries/projection/queryCores.ts';
import type { LayerTask } from '../../operators/queries/projection/queryGradients.ts';
import type { QuerySpectrum, SpectrumTask } from '../../operators/queries/projection/querySpectrum.ts';
import { type QueryLosses, writeTapModel } from '../../operators/queries/projection/tapQueries.ts';
import { layOutTaps, type TapsFile } from '../../operators/queries/projection/tapsFile.ts';
import type { LayerWidths, QueryColumns, QueryLayer } from '../../operators/queries/queryCache.ts';
import { packWindows } from '../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../operators/tokens/selectWindows.ts';
import { windowQueries } from '../../operators/tokens/windowQueries.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { InputError } from '../../schemas/errors.ts';
import type { Query } from '../../schemas/queries.ts';
import { inFlight, startedAhead } from '../inFlight.ts';
import { builtIn } from '../operators/loadOperator.ts';
import type { WorkerPool } from '../pool/workerPool.ts';
import type { Prepared } from './prepare.ts';
import type { StageHooks } from './stageHooks.ts';
import { weightingOf } from './wantedFactors.ts';

interface Projecting {
  prepared: Prepared;
  factors: FactorFolder | null;
  pool: WorkerPool;
  hooks: StageHooks;
  /** A folder for what is deleted at the end. */
  scratch: string;
}

/** Gives what `writeQueryCache` takes to `write`; the layers' content is computed as it asks for it. */
export async function projectQueries(
  prepared: Prepared,
  factors: FactorFolder | null,
  pool: WorkerPool,
  hooks: StageHooks,
  write: (columns: QueryColumns, layers: QueryLayer[]) => Promise<void>,
): Promise<void> {
  const scratch = join(prepared.configuration.cache, `projecting-${process.pid}`);
  await mkdir(scratch, { recursive: true });
  const projecting = { prepared, factors, pool, hooks, scratch };
  try {
    const { taps, loss, tokens } = await tapAll(projecting);
    const norms = await measureAll(projecting, taps);
    const squaredNorm = sumOver(norms.map((layer) => layer.squaredNorm));
    expectFinite(prepared.queries, loss, norms, prepared.coverage.modules);
    const { projections, layers } = await chooseProjections(projecting, taps, norms);
    const blocks = coresOf(projecting, taps, projections, layers);
    hooks.progress.stage('query gradients', blocks.length, 'layers');
    await write({ loss, tokens, squaredNorm, layers }, blocks);
    hooks.progress.done();
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function tapAll({ prepared, pool, hooks, scratch }: Projecting) {
  const { configuration, coverage, queries, queryModel } = prepared;
  const { contextTokens, chatTemplate, batchTokens, cache } = configuration;
  const batch = windowQueries(queries, queryModel.tokenizer, { contextTokens, chatTemplate });
  const taps = layOutTaps(join(scratch, 'taps'), Array.from(batch.windows.start), sidesOf(coverage.modules));
  await (await open(taps.path, 'w')).close();
  const settings = {
    path: await writeTapModel(queryModel.folder, { contextTokens, batchTokens }, coverage.modules, cache),
    taps,
    threadsPerWorker: prepared.pool.threadsPerWorker,
    prepack: prepared.pool.prepack,
  };
  const spec = { module: builtIn('queries/projection/tapQueries'), settings };
  const loss = new Array<number>(queries.length).fill(0);
  const tokens = new Array<number>(queries.length).fill(0);
  hooks.progress.stage('queries', queries.length, 'queries');
  const parts = packWindows(batch.windows, batchTokens).batches;
  await inFlight(parts, 2 * pool.workers, async (chosen) => {
    const part: QueryLosses = await pool.job(spec, selectWindows(batch, chosen));
    part.key.forEach((q, w) => {
      loss[q] = part.loss[w];
      tokens[q] = part.tokens[w];
    });
    hooks.progress.advance({ items: part.key.length, tokens: part.tokens.reduce((a, b) => a + b, 0) });
  });
  hooks.progress.done();
  return { taps, loss, tokens };
}

function layerTask({ prepared, factors }: Projecting, taps: TapsFile, module: Module): LayerTask {
  const { preconditioner, projection, fit } = prepared.configuration;
  const rotated = preconditioner.kind === 'ekfac' || preconditioner.kind === 'kfac';
  const weighted = projection.kind === 'eigen' || weightingOf(prepared.configuration) === 'curvature';
  const curvature: CurvatureSettings = {
    preconditioner,
    blocks: fit.blocks,
    factors,
    rotated: rotated || (weighted && preconditioner.kind !== 'diagonal'),
  };
  return { module, taps, curvature };
}

/** One task for each layer through the pool, in order. */
async function byLayer<Result>(
  { prepared, pool, hooks }: Projecting,
  title: string,
  work: (module: Module, m: number) => Promise<Result>,
): Promise<Result[]> {
  const { modules } = prepared.coverage;
  const results = new Array<Result>(modules.length);
  hooks.progress.stage(title, modules.length, 'layers');
  await inFlight(modules, 2 * pool.workers, async (module, m) => {
    results[m] = await work(module, m);
    hooks.progress.advance({ items: 1, tokens: 0 });
  });
  hooks.progress.done();
  return results;
}

function measureAll(projecting: Projecting, taps: TapsFile): Promise<QueryNorms[]> {
  const { pool, prepared } = projecting;
  const { threadsPerWorker } = prepared.pool;
  const settings = { threadsPerWorker, weighting: weightingOf(prepared.configuration) };
  const spec = { module: builtIn('queries/projection/measureQueries'), settings };
  return byLayer(projecting, 'preconditioning', (module) => pool.job(spec, layerTask(projecting, taps, module)));
}

function sumOver(layers: Float64Array[]): number[] {
  return Array.from(layers[0], (_, q) => layers.reduce((sum, layer) => sum + layer[q], 0));
}

function expectFinite(queries: Query[], loss: number[], norms: QueryNorms[], modules: Module[]): void {
  queries.forEach(({ id }, q) => {
    if (!Number.isFinite(loss[q]))
      throw new InputError(`query ${id}: expected a finite loss, got ${loss[q]}: are the weights sound?`);
    const m = norms.findIndex(({ squaredNorm }) => !Number.isFinite(squaredNorm[q]));
    if (m >= 0)
      throw new InputError(
        `query ${id}: expected a finite gradient at ${modules[m].name}, got NaN or Infinity: are the weights sound?`,
      );
  });
}

interface Chosen {
  projections: LayerProjection[];
  layers: LayerWidths[];
}

async function chooseProjections(projecting: Projecting, taps: TapsFile, norms: QueryNorms[]): Promise<Chosen> {
  const { configuration, coverage } = projecting.prepared;
  const { modules } = coverage;
  const { projection, seed } = configuration;
  const shares = sharesOf(norms);
  const layersOf = (widths: Widths[], captured: (number | null)[]): LayerWidths[] =>
    widths.map((width, m) => ({ ...width, share: shares[m], captured: captured[m] }));
  if (projection.kind === 'queryAdaptive') return adapt(projecting, taps, norms, layersOf);
  const unknown = modules.map(() => null);
  if (projection.kind === 'exact') {
    const whole = modules.map(({ outputs, inputs }) => ({ outputs, inputs }));
    return {
      projections: modules.map(() => ({ kind: 'exact' })),
      layers: layersOf(
        whole,
        modules.map(() => 1),
      ),
    };
  }
  const widths = modules.map(({ outputs, inputs }) => ({
    outputs: Math.min(projection.k, outputs),
    inputs: Math.min(projection.k, inputs),
  }));
  const projections = modules.map((module, m): LayerProjection => {
    if (projection.kind === 'eigen') return { kind: 'eigen', ...widths[m] };
    return { kind: 'random', ...drawProjection(projection, seed, module) };
  });
  return { projections, layers: layersOf(widths, unknown) };
}

/** (M) Each layer's share of the scores' variance, every query counted alike. */
function sharesOf(norms: QueryNorms[]): number[] {
  const importance = importanceOf(norms);
  return norms.map(({ weighted }) => weighted.reduce((sum, value, q) => sum + value * importance[q], 0));
}

/** (Q) What makes the queries count alike, whatever the size of their gradients: 1 / (Q · Σ_m ‖W_q‖²). */
function importanceOf(norms: QueryNorms[]): Float64Array {
  const totals = sumOver(norms.map(({ weighted }) => weighted));
  return Float64Array.from(totals, (total) => (total > 0 ? 1 / (total * totals.length) : 0));
}

type Adaptive = Extract<Configuration['projection'], { kind: 'queryAdaptive' }>;

async function adapt(
  projecting: Projecting,
  taps: TapsFile,
  norms: QueryNorms[],
  layersOf: (widths: Widths[], captured: (number | null)[]) => LayerWidths[],
): Promise<Chosen> {
  const { pool, prepared, scratch } = projecting;
  const { modules } = prepared.coverage;
  const projection = prepared.configuration.projection as Adaptive;
  const weighting = weightingOf(prepared.configuration);
  const importance = importanceOf(norms);
  const path = (m: number) => join(scratch, `dimensions-${m}`);
  const spec = {
    module: builtIn('queries/projection/querySpectrum'),
    settings: { threadsPerWorker: prepared.pool.threadsPerWorker, weighting },
  };
  const spectra = await byLayer(projecting, 'choosing dimensions', (module, m): Promise<QuerySpectrum> => {
    const task: SpectrumTask = { ...layerTask(projecting, taps, module), importance, path: path(m) };
    return pool.job(spec, task);
  });
  const { widths, captured } = allotWidths(modules, spectra, projection);
  const { rounds } = projection;
  return {
    projections: widths.map((width, m) => {
      return { kind: 'queryAdaptive', ...width, weighting, rounds, importance, path: path(m) };
    }),
    layers: layersOf(widths, captured),
  };
}

function coresOf(
  projecting: Projecting,
  taps: TapsFile,
  projections: LayerProjection[],
  layers: LayerWidths[],
): QueryLayer[] {
  const { pool, prepared, hooks } = projecting;
  const { modules } = prepared.coverage;
  const spec = {
    module: builtIn('queries/projection/queryCores'),
    settings: { threadsPerWorker: prepared.pool.threadsPerWorker },
  };
  const tasks = modules.map(
    (module, m): CoresTask => ({ ...layerTask(projecting, taps, module), projection: projections[m] }),
  );
  const cores = startedAhead(tasks, pool.workers + 1, (task): Promise<LayerCores> => pool.job(spec, task));
  return modules.map(({ name, outputs, inputs }, m) => ({
    module: name,
    width: layers[m].outputs * layers[m].inputs,
    outputs: layers[m].outputs < outputs ? [outputs, layers[m].outputs] : null,
    inputs: layers[m].inputs < inputs ? [inputs, layers[m].inputs] : null,
    async block() {
      const { cores: values, outputs: p, inputs: r } = await cores[m]();
      hooks.progress.advance({ items: 1, tokens: 0 });
      return { values, projection: { outputs: p, inputs: r } };
    },
  }));
}

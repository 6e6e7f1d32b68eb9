/** The built-in query gradients: taps of every query, then layer by layer preconditioned at full rank, projected and written. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FactorFolder } from '../../../operators/curvature/factorFolder.ts';
import { sidesOf } from '../../../operators/curvature/sides.ts';
import { scratchName } from '../../../operators/files/leftovers.ts';
import { makeFolder } from '../../../operators/files/wholeFile.ts';
import type { Module } from '../../../operators/gradients/projections.ts';
import type { QueryNorms } from '../../../operators/queries/projection/measureQueries.ts';
import type { CoresTask, LayerCores, LayerProjection } from '../../../operators/queries/projection/queryCores.ts';
import { type QueryLosses, writeTapModel } from '../../../operators/queries/projection/tapQueries.ts';
import { createTaps, layOutTaps, type TapsFile } from '../../../operators/queries/projection/tapsFile.ts';
import type { LayerWidths, QueryColumns, QueryLayer } from '../../../operators/queries/queryCache.ts';
import { packWindows } from '../../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../../operators/tokens/selectWindows.ts';
import { windowQueries } from '../../../operators/tokens/windowQueries.ts';
import { InputError } from '../../../schemas/errors.ts';
import type { Query } from '../../../schemas/queries.ts';
import { inFlight, startedAhead } from '../../inFlight.ts';
import { builtIn } from '../../operators/loadOperator.ts';
import type { WorkerPool } from '../../pool/workerPool.ts';
import type { Prepared } from '../prepare.ts';
import type { StageHooks } from '../stageHooks.ts';
import { weightingOf } from '../wantedFactors.ts';
import { chooseProjections, sumOver } from './chooseProjections.ts';
import { byLayer, layerTask, type Projecting } from './projecting.ts';

/** Gives what `writeQueryCache` takes to `write`; the layers' content is computed as it asks for it. */
export async function projectQueries(
  prepared: Prepared,
  factors: FactorFolder | null,
  pool: WorkerPool,
  hooks: StageHooks,
  write: (columns: QueryColumns, layers: QueryLayer[]) => Promise<void>,
): Promise<void> {
  const scratch = join(prepared.configuration.cache, scratchName('projecting'));
  await makeFolder(scratch);
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
  await createTaps(taps);
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

function measureAll(projecting: Projecting, taps: TapsFile): Promise<QueryNorms[]> {
  const { pool, prepared } = projecting;
  const { threadsPerWorker } = prepared.pool;
  const settings = { threadsPerWorker, weighting: weightingOf(prepared.configuration) };
  const spec = { module: builtIn('queries/projection/measureQueries'), settings };
  return byLayer(projecting, 'preconditioning', (module) => pool.job(spec, layerTask(projecting, taps, module)));
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

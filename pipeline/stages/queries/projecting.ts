/** What every part of the query stage works with, and how it goes through the layers. */
import type { FactorFolder } from '../../../operators/curvature/factorFolder.ts';
import type { CurvatureSettings } from '../../../operators/curvature/moduleCurvature.ts';
import type { Module } from '../../../operators/gradients/projections.ts';
import type { LayerTask } from '../../../operators/queries/projection/queryGradients.ts';
import type { TapsFile } from '../../../operators/queries/projection/tapsFile.ts';
import { inFlight } from '../../inFlight.ts';
import type { WorkerPool } from '../../pool/workerPool.ts';
import type { Prepared } from '../prepare.ts';
import type { StageHooks } from '../stageHooks.ts';
import { weightingOf } from '../wantedFactors.ts';

export interface Projecting {
  prepared: Prepared;
  factors: FactorFolder | null;
  pool: WorkerPool;
  hooks: StageHooks;
  /** A folder for what is deleted at the end. */
  scratch: string;
}

export function layerTask({ prepared, factors }: Projecting, taps: TapsFile, module: Module): LayerTask {
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
export async function byLayer<Result>(
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

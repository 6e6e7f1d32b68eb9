/** The stages that the command line can start. */
import type { Configuration } from '../../schemas/configuration.ts';
import { cachedQueries } from './computeQueries.ts';
import { coverageLines } from './coverage.ts';
import { gradientModel, gradientStep, prepare } from './prepare.ts';
import type { StageHooks } from './stageHooks.ts';
import { withPool } from './withPool.ts';

export { planStage } from './plan.ts';
export { runStage } from './run.ts';

/** Computes the query gradients alone, or says that the cache has them. */
export async function queriesStage(configuration: Configuration, hooks: StageHooks): Promise<{ summary: string }> {
  const prepared = await prepare(configuration, hooks);
  const { cache, reused } = await withPool(prepared, hooks, async (pool) =>
    cachedQueries(prepared, gradientStep(prepared, await gradientModel(prepared)), pool, hooks),
  );
  const nats = prepared.queries.map(
    ({ id }, q) => `  ${id}: ${cache.loss[q].toFixed(2)} nats over ${cache.tokens[q]} completion tokens`,
  );
  const state = reused ? 'reused from' : 'written to';
  return {
    summary: [...coverageLines(prepared.coverage), ...nats, `query gradients ${state} ${cache.path}`].join('\n'),
  };
}

/** The stages that the command line can start. */
import { openCorpus } from '../../operators/documents/openCorpus.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { captureLines } from './captureLines.ts';
import { cachedQueries } from './computeQueries.ts';
import { coverageLines } from './coverage.ts';
import { cachedFactors } from './fit.ts';
import { completed, prepare } from './prepare.ts';
import type { StageHooks } from './stageHooks.ts';
import { needsFactors } from './wantedFactors.ts';

export { fitStage } from './fit.ts';
export { mergeStage } from './merge.ts';
export { planStage } from './plan.ts';
export { reportStage } from './report.ts';
export { runStage } from './run.ts';

/** Computes the query gradients alone, or says that the cache has them; fits the curvature first where it is missing. */
export async function queriesStage(configuration: Configuration, hooks: StageHooks): Promise<{ summary: string }> {
  const prepared = await completed(await prepare(configuration, hooks), hooks);
  const factors = needsFactors(configuration)
    ? await cachedFactors(prepared, await openCorpus(configuration.corpus, configuration.folder), hooks)
    : null;
  const { cache, reused } = await cachedQueries(prepared, factors, hooks);
  const nats = prepared.queries.map(
    ({ id }, q) => `  ${id}: ${cache.loss[q].toFixed(2)} nats over ${cache.tokens[q]} completion tokens`,
  );
  const state = reused ? 'reused from' : 'written to';
  return {
    summary: [
      ...coverageLines(prepared.coverage),
      ...nats,
      ...captureLines(prepared, cache),
      `query gradients ${state} ${cache.path}`,
    ].join('\n'),
  };
}

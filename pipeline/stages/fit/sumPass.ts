/** One pass over the sample: every part through the pool, added up in order. */
import {
  type AccumulateInput,
  failSums,
  openSums,
  type SharedSums,
} from '../../../operators/curvature/accumulateCurvature.ts';
import type { CurvatureModel } from '../../../operators/curvature/curvatureModel.ts';
import { type FactorFolder, type FactorKind, writeSums } from '../../../operators/curvature/factorFolder.ts';
import { InputError } from '../../../schemas/errors.ts';
import { inFlight } from '../../inFlight.ts';
import { builtIn } from '../../operators/loadOperator.ts';
import { withPool } from '../withPool.ts';
import { fitParts, type SampleTally } from './fitParts.ts';
import type { SumItem } from './fitPasses.ts';
import { type Fitting, sampleOf } from './fitting.ts';
import type { PassGraph } from './passGraphs.ts';

/** Sums one group of items, and writes each under its name. */
export async function sumGroup<Of>(
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
  const tally: SampleTally = { documents: 0, positions: 0 };
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
  // Of parts, one may have none.
  if (tally.documents === 0 && !part)
    throw new InputError(
      `fit expected documents with at least two tokens, and none of the ${keys.length} it drew has them: see corpus and fit.documents`,
    );
  return tally;
}

/** Squares take a gradient of each window at once: no more of them than half of the memory setting holds. */
function maxWindows<Of>({ prepared }: Fitting, kind: FactorKind, group: SumItem<Of>[]): number {
  if (kind === 'covariance') return Number.POSITIVE_INFINITY;
  const largest = Math.max(...group.map(({ length }) => length));
  const bytes = (prepared.configuration.fit.memoryMiB * 2 ** 20) / 2 / prepared.pool.workers;
  // A gradient and its square.
  return Math.max(1, Math.floor(bytes / (8 * largest)));
}

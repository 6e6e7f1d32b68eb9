/** One pass over the sample: every part through the pool, added up in order. */
import {
  type AccumulateInput,
  failSums,
  type LeftOut,
  openSums,
  type SharedSums,
} from '../../../operators/curvature/accumulateCurvature.ts';
import type { CurvatureModel } from '../../../operators/curvature/curvatureModel.ts';
import { type FactorFolder, type FactorKind, writeSums } from '../../../operators/curvature/factorFolder.ts';
import { printableLine } from '../../../operators/report/printableText.ts';
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
  const leftOut: LeftOut[] = [];
  const keys = sampleOf({ prepared, corpus, part });
  const spec = {
    module: builtIn('curvature/accumulateCurvature'),
    // Prepacking would copy every eigenvector matrix into each worker.
    settings: { model, threadsPerWorker, prepack: false },
  };
  await withPool(prepared, hooks, (pool) =>
    inFlight(fitParts(prepared, corpus, keys, windows, tally), 2 * workers, async (part, ticket) => {
      const input: AccumulateInput = { part, ticket, sums };
      leftOut[ticket] = await pool.job<AccumulateInput, LeftOut>(spec, input).catch((error) => {
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
  return withoutThem(tally, leftOut, prepared.configuration.corpus.onBadRow, hooks);
}

const IDS_SHOWN = 5;

/** Says which documents gave no finite numbers, or ends the fit for them where `onBadRow` says so. */
function withoutThem(
  { documents, positions }: SampleTally,
  leftOut: LeftOut[],
  onBadRow: 'setAside' | 'fail',
  { log }: Pick<Fitting['hooks'], 'log'>,
): SampleTally {
  const gone = leftOut.flatMap((part) => part.documents);
  if (gone.length === 0) return { documents, positions };
  const shown = gone.slice(0, IDS_SHOWN).map(({ key, id }) => `${printableLine(id)} (row ${key} of the corpus)`);
  const more = gone.length > IDS_SHOWN ? ` and ${gone.length - IDS_SHOWN} more` : '';
  const names = `${shown.join(', ')}${more}`;
  if (gone.length === documents)
    throw new InputError(
      `fit expected finite gradients, and none of the ${documents} documents gave them: ${names}: are the weights sound?`,
    );
  if (onBadRow === 'fail')
    throw new InputError(
      `fit expected finite gradients of every document, got NaN or Infinity of ${names}: leave them out, or set corpus.onBadRow: setAside`,
    );
  log(`fit: ${gone.length} of ${documents} documents left out, whose gradients are not finite: ${names}`);
  return {
    documents: documents - gone.length,
    positions: positions - leftOut.reduce((sum, part) => sum + part.positions, 0),
  };
}

/** Squares take a gradient of each window at once: no more of them than half of the memory setting holds. */
function maxWindows<Of>({ prepared }: Fitting, kind: FactorKind, group: SumItem<Of>[]): number {
  if (kind === 'covariance') return Number.POSITIVE_INFINITY;
  const largest = Math.max(...group.map(({ length }) => length));
  const bytes = (prepared.configuration.fit.memoryMiB * 2 ** 20) / 2 / prepared.pool.workers;
  // A gradient and its square.
  return Math.max(1, Math.floor(bytes / (8 * largest)));
}

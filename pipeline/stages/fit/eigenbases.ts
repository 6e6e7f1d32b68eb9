/** The eigenbases of covariances, side by side in the pool. */
import type { Eigenbasis, SideCovariance } from '../../../operators/curvature/eigenbasisOfSide.ts';
import { readSums, writeEigenbasis } from '../../../operators/curvature/factorFolder.ts';
import { type Side, sumsLength } from '../../../operators/curvature/sides.ts';
import { inFlight } from '../../inFlight.ts';
import { builtIn } from '../../operators/loadOperator.ts';
import { withPool } from '../withPool.ts';
import { type Fitting, titles } from './fitting.ts';

/** Decomposes the covariances of `sides` and writes their eigenbases. */
export async function decomposeSides({ prepared, folder, hooks }: Fitting, sides: Side[]): Promise<void> {
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

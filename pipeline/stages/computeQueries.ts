/** The query stage: one preconditioned, projected gradient per query, kept in the cache. */
import type { FactorFolder } from '../../operators/curvature/factorFolder.ts';
import { orMadeAgain } from '../../operators/files/damagedFile.ts';
import { makeFolder } from '../../operators/files/wholeFile.ts';
import {
  openQueryCache,
  type QueryCache,
  type QueryColumns,
  type QueryLayer,
  queryCachePath,
  writeQueryCache,
} from '../../operators/queries/queryCache.ts';
import { packWindows } from '../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../operators/tokens/selectWindows.ts';
import { windowQueries } from '../../operators/tokens/windowQueries.ts';
import type { ProjectedGradients } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import type { OperatorSpec } from '../operators/loadOperator.ts';
import type { WorkerPool } from '../pool/workerPool.ts';
import { ownGradient, type Prepared, queryFingerprint } from './prepare.ts';
import { projectQueries } from './queries/projectQueries.ts';
import type { StageHooks } from './stageHooks.ts';
import { tidyCache } from './tidyCache.ts';
import { withPool } from './withPool.ts';

/**
 * The cached gradients of the run's queries; computed and written if the cache has none, or one that is damaged. `factors` gives the
 * curvature, fitting it if need be, or null where none is needed. `reused` says which it was.
 */
export async function cachedQueries(
  prepared: Prepared,
  factors: FactorFolder | null,
  hooks: StageHooks,
): Promise<{ cache: QueryCache; reused: boolean }> {
  await tidyCache(prepared.configuration.cache, hooks);
  const wanted = await queryFingerprint(prepared, factors);
  const path = queryCachePath(prepared.configuration.cache, wanted);
  const found = await orMadeAgain(() => openQueryCache(path, wanted), hooks.log);
  if (found) return { cache: found, reused: true };
  await makeFolder(prepared.configuration.cache);
  const write = (columns: QueryColumns, layers: QueryLayer[]) => writeQueryCache(path, wanted, columns, layers);
  const own = ownGradient(prepared.custom);
  await withPool(prepared, hooks, (pool) =>
    own ? ownQueries(prepared, own.spec, pool, hooks, write) : projectQueries(prepared, factors, pool, hooks, write),
  );
  return { cache: await openQueryCache(path, wanted), reused: false };
}

/** Query gradients by the user's own gradient operator, which projects them too. */
async function ownQueries(
  prepared: Prepared,
  spec: OperatorSpec,
  pool: WorkerPool,
  hooks: StageHooks,
  write: (columns: QueryColumns, layers: QueryLayer[]) => Promise<void>,
): Promise<void> {
  const parts = await throughOperator(prepared, spec, pool, hooks);
  const { blocks, loss, tokens } = assemble(parts, prepared);
  const layers = blocks.map(({ module, width, values }): QueryLayer => {
    const block = { values, projection: { outputs: null, inputs: null } };
    return { module, width, outputs: null, inputs: null, block: async () => block };
  });
  await write({ loss, tokens, squaredNorm: null, layers: null }, layers);
}

async function throughOperator(
  { configuration, queries, queryModel }: Prepared,
  spec: OperatorSpec,
  pool: WorkerPool,
  { progress }: StageHooks,
): Promise<ProjectedGradients[]> {
  const { contextTokens, chatTemplate, batchTokens } = configuration;
  const batch = windowQueries(queries, queryModel.tokenizer, { contextTokens, chatTemplate });
  progress.stage('query gradients', queries.length, 'queries');
  const parts = packWindows(batch.windows, batchTokens).batches.map(async (chosen) => {
    const part = await pool.run<ProjectedGradients>('project', [spec], selectWindows(batch, chosen));
    progress.advance({ items: part.key.length, tokens: part.tokens.reduce((a, b) => a + b, 0) });
    return part;
  });
  const done = await Promise.all(parts);
  progress.done();
  return done;
}

/** The parts' rows by query: `key` is the query's place. */
function assemble(parts: ProjectedGradients[], { queries, coverage }: Prepared) {
  const loss = new Array<number>(queries.length).fill(0);
  const tokens = new Array<number>(queries.length).fill(0);
  const widths = parts[0].projected.map((block) => block.length / parts[0].document.length);
  const blocks = widths.map((width, m) => ({
    module: coverage.modules[m]?.name ?? `module ${m}`,
    width,
    values: new Float32Array(queries.length * width),
  }));
  for (const { key, document, loss: losses, tokens: counts, projected } of parts)
    document.forEach((b, w) => {
      const q = key[b];
      loss[q] = losses[w];
      tokens[q] = counts[w];
      blocks.forEach(({ width, values }, m) => {
        values.set(projected[m].subarray(w * width, (w + 1) * width), q * width);
      });
    });
  expectFinite(
    queries.map(({ id }) => id),
    loss,
    blocks,
  );
  return { blocks, loss, tokens };
}

function expectFinite(
  ids: string[],
  loss: number[],
  blocks: { width: number; module: string; values: Float32Array }[],
): void {
  ids.forEach((id, q) => {
    if (!Number.isFinite(loss[q]))
      throw new InputError(`query ${id}: expected a finite loss, got ${loss[q]}: are the weights sound?`);
    for (const { width, module, values } of blocks)
      if (!values.subarray(q * width, (q + 1) * width).every(Number.isFinite))
        throw new InputError(
          `query ${id}: expected a finite gradient at ${module}, got NaN or Infinity: are the weights sound?`,
        );
  });
}

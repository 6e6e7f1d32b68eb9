/** The query stage: one projected gradient per query, through the same gradient operator as the documents', kept in the cache. */
import { access, mkdir } from 'node:fs/promises';
import {
  openQueryCache,
  type QueryCache,
  queryCachePath,
  writeQueryCache,
} from '../../operators/queries/queryCache.ts';
import { packWindows } from '../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../operators/tokens/selectWindows.ts';
import { windowQueries } from '../../operators/tokens/windowQueries.ts';
import type { ProjectedGradients } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import type { ChainStep } from '../operators/customOperators.ts';
import type { WorkerPool } from '../pool/workerPool.ts';
import { type Prepared, queryFingerprint } from './prepare.ts';
import type { StageHooks } from './stageHooks.ts';

/** The cached gradients of the run's queries; computed and written if the cache has none. `reused` says which it was. */
export async function cachedQueries(
  prepared: Prepared,
  gradients: ChainStep,
  pool: WorkerPool,
  hooks: StageHooks,
): Promise<{ cache: QueryCache; reused: boolean }> {
  const wanted = await queryFingerprint(prepared);
  const path = queryCachePath(prepared.configuration.cache, wanted);
  const reused = await access(path).then(
    () => true,
    () => false,
  );
  if (!reused) {
    const parts = await projectQueries(prepared, gradients, pool, hooks);
    const { blocks, loss, tokens } = assemble(parts, prepared);
    await mkdir(prepared.configuration.cache, { recursive: true });
    await writeQueryCache(path, wanted, blocks, loss, tokens);
  }
  return { cache: await openQueryCache(path, wanted), reused };
}

async function projectQueries(
  { configuration, queries, tokenizer }: Prepared,
  gradients: ChainStep,
  pool: WorkerPool,
  { progress }: StageHooks,
): Promise<ProjectedGradients[]> {
  const { contextTokens, chatTemplate, batchTokens } = configuration;
  const batch = windowQueries(queries, tokenizer, { contextTokens, chatTemplate });
  progress.stage('query gradients', queries.length);
  const parts = packWindows(batch.windows, batchTokens).batches.map(async (chosen) => {
    const part = await pool.run<ProjectedGradients>('project', [gradients.spec], selectWindows(batch, chosen));
    progress.advance({ documents: part.key.length, tokens: part.tokens.reduce((a, b) => a + b, 0) });
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

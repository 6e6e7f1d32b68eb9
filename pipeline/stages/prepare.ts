/** Everything a stage needs before it computes: inputs opened and checked, the gradient model on disk, the pool's chain laid out. */
import {
  type Coverage,
  coverModules,
  type GradientModel,
  writeGradientModel,
} from '../../operators/gradients/gradientModel.ts';
import { type ModelFolder, readModelFolder } from '../../operators/gradients/modelFolder.ts';
import { projectModules } from '../../operators/gradients/projections.ts';
import { fingerprintQueries, QUERY_CACHE_VERSION, type QueryFingerprint } from '../../operators/queries/queryCache.ts';
import { readQueries } from '../../operators/queries/readQueries.ts';
import { loadTokenizer, type Tokenizer } from '../../operators/tokens/loadTokenizer.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import type { RunFacts } from '../../schemas/operators.ts';
import type { Query } from '../../schemas/queries.ts';
import { fetchModel } from '../hub/fetchModel.ts';
import { type ChainStep, type CustomOperators, chainSteps, loadCustomOperators } from '../operators/customOperators.ts';
import { digestModule } from '../operators/loadOperator.ts';
import { type PoolSize, poolSize } from '../pool/poolSize.ts';
import type { StageHooks } from './stageHooks.ts';

export interface Prepared {
  configuration: Configuration;
  queries: Query[];
  facts: RunFacts;
  folder: ModelFolder;
  tokenizer: Tokenizer;
  coverage: Coverage;
  custom: CustomOperators;
  pool: PoolSize;
}

/** Opens and checks the model, downloaded if need be, the tokenizer, the queries and the user's operators; no weight is read yet. */
export async function prepare(
  configuration: Configuration,
  hooks: Pick<StageHooks, 'log' | 'signal'>,
): Promise<Prepared> {
  const queries = await readQueries(configuration.queries);
  const custom = await loadCustomOperators(configuration.operators);
  const folder = await readModelFolder(await fetchModel(configuration.model, hooks));
  const coverage = coverModules(folder, configuration);
  const tokenizer = await loadTokenizer(folder.path);
  const facts: RunFacts = {
    queries: queries.map(({ id }) => id),
    tasks: queries.map(({ task }) => task),
    topK: configuration.topK,
    seed: configuration.seed,
  };
  return { configuration, queries, facts, folder, tokenizer, coverage, custom, pool: poolSize(configuration.pool) };
}

/** The gradient model in the cache, written if it is not there. */
export function gradientModel({ configuration, folder, coverage }: Prepared): Promise<GradientModel> {
  const { modules, contextTokens, batchTokens, projection, seed, cache } = configuration;
  const projections = projectModules(projection, seed, coverage.modules);
  return writeGradientModel(folder, { modules, contextTokens, batchTokens }, coverage.modules, projections, cache);
}

/** What the query gradients depend on. A gradient operator of the user's own is named by its module's content. */
export async function queryFingerprint(prepared: Prepared): Promise<QueryFingerprint> {
  const { configuration, coverage, custom, folder, queries, tokenizer } = prepared;
  const own = ownGradient(custom);
  return {
    version: QUERY_CACHE_VERSION,
    model: await folder.fingerprint(),
    tokenizer: tokenizer.fingerprint,
    modules: coverage.modules.map(({ name }) => name),
    contextTokens: configuration.contextTokens,
    chatTemplate: configuration.chatTemplate,
    preconditioner: configuration.preconditioner,
    projection: configuration.projection,
    seed: configuration.seed,
    queries: fingerprintQueries(queries),
    operator: own ? { digest: await digestModule(own.spec.module), settings: own.spec.settings } : null,
  };
}

/** The user's own gradient operator, where the configuration names one. */
function ownGradient({ maps }: CustomOperators) {
  return maps.find(({ operator }) => operator.takes === 'tokenWindows' && operator.gives === 'projectedGradients');
}

const builtIn = (path: string) => new URL(`../../operators/${path}.ts`, import.meta.url).href;

/** The step from token windows to projected gradients. */
export function gradientStep({ pool, custom }: Prepared, model: GradientModel): ChainStep {
  const own = ownGradient(custom);
  if (own) return { takes: 'tokenWindows', gives: 'projectedGradients', spec: own.spec };
  const { threadsPerWorker, prepack } = pool;
  const spec = { module: builtIn('gradients/projectGradients'), settings: { model, threadsPerWorker, prepack } };
  return { takes: 'tokenWindows', gives: 'projectedGradients', spec };
}

/** Where the query gradients of the join are. */
export interface Join {
  path: string;
  queries: number;
  widths: number[];
}

/** The whole chain from documents to scores; no gradients and no join where the user's own operator yields the scores. */
export function fullChain(prepared: Prepared, gradients: ChainStep[], join: Join[]): ChainStep[] {
  const { configuration, custom, folder, pool } = prepared;
  const { contextTokens, longDocuments } = configuration;
  const windows = { tokenizerFolder: folder.path, contextTokens, longDocuments };
  const scores = join.map((settings): ChainStep => {
    const spec = {
      module: builtIn('scores/scoreAgainstQueries'),
      settings: { ...settings, threadsPerWorker: pool.threadsPerWorker },
    };
    return { takes: 'projectedGradients', gives: 'scores', spec };
  });
  const tokens: ChainStep = {
    takes: 'documents',
    gives: 'tokenWindows',
    spec: { module: builtIn('tokens/windowDocuments'), settings: windows },
  };
  return chainSteps([tokens, ...gradients, ...scores], custom);
}

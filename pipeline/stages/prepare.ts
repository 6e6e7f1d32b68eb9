/** Everything a stage needs before it computes: inputs opened and checked, the gradient model on disk, the pool's chain laid out. */
import type { FactorFolder } from '../../operators/curvature/factorFolder.ts';
import { type GradientModel, writeGradientModel } from '../../operators/gradients/gradientModel.ts';
import { type ModelFolder, readModelFolder } from '../../operators/gradients/modelFolder.ts';
import type { Module, ModuleProjection } from '../../operators/gradients/projections.ts';
import { type Coverage, coverModules } from '../../operators/gradients/tappedGraph.ts';
import {
  fingerprintQueries,
  QUERY_CACHE_VERSION,
  type QueryCache,
  type QueryFingerprint,
  readProjections,
} from '../../operators/queries/queryCache.ts';
import { readQueries } from '../../operators/queries/readQueries.ts';
import { writeJoinModel } from '../../operators/scores/joinModel.ts';
import { loadTokenizer, type Tokenizer } from '../../operators/tokens/loadTokenizer.ts';
import type { Configuration } from '../../schemas/configuration.ts';
import { InputError, UsageError } from '../../schemas/errors.ts';
import type { RunFacts } from '../../schemas/operators.ts';
import type { Query } from '../../schemas/queries.ts';
import { fetchModel } from '../hub/fetchModel.ts';
import { type ChainStep, type CustomOperators, chainSteps, loadCustomOperators } from '../operators/customOperators.ts';
import { builtIn, digestModule } from '../operators/loadOperator.ts';
import { type PoolSize, poolSize } from '../pool/poolSize.ts';
import { completeQueries } from './completeQueries.ts';
import type { StageHooks } from './stageHooks.ts';
import { withPool } from './withPool.ts';

/** A model with its tokenizer. */
export interface OpenModel {
  folder: ModelFolder;
  tokenizer: Tokenizer;
}

/** What a stage needs that asks nothing of the queries. */
export interface PreparedModel extends OpenModel {
  configuration: Configuration;
  facts: RunFacts;
  coverage: Coverage;
  pool: PoolSize;
}

export interface Prepared extends PreparedModel {
  /** The model that completes and whose query gradients are traced: the same one where no other is configured. */
  queryModel: OpenModel;
  queries: Query[];
  custom: CustomOperators;
}

type Hooks = Pick<StageHooks, 'log' | 'signal'>;

/** Opens and checks the model, downloaded if need be, and the tokenizer; no weight is read yet. */
export async function prepareModel(configuration: Configuration, hooks: Hooks): Promise<PreparedModel> {
  const { folder, tokenizer } = await openModel(configuration.model, hooks);
  const coverage = coverModules(folder, configuration);
  const facts: RunFacts = { queries: [], tasks: [], topK: configuration.topK, seed: configuration.seed };
  return { configuration, facts, folder, tokenizer, coverage, pool: poolSize(configuration.pool) };
}

async function openModel(path: string, hooks: Hooks): Promise<OpenModel> {
  const folder = await readModelFolder(await fetchModel(path, hooks));
  return { folder, tokenizer: await loadTokenizer(folder.path) };
}

/** Opens and checks the queries, the user's operators and the models. */
export async function prepare(configuration: Configuration, hooks: Hooks): Promise<Prepared> {
  const queries = await readQueries(configuration.queries);
  const custom = await loadCustomOperators(configuration.operators);
  expectFitting(configuration);
  expectOwnGradientFits(configuration, custom);
  const model = await prepareModel(configuration, hooks);
  const facts = { ...model.facts, queries: queries.map(({ id }) => id), tasks: queries.map(({ task }) => task) };
  return { ...model, facts, queries, custom, queryModel: await openQueryModel(model, hooks) };
}

async function openQueryModel(model: PreparedModel, hooks: Hooks): Promise<OpenModel> {
  const { configuration, coverage } = model;
  if (configuration.queryModel === undefined) return model;
  const other = await openModel(configuration.queryModel, hooks);
  expectSameShapes(coverage.modules, coverModules(other.folder, configuration).modules, configuration);
  return other;
}

/** With every query's completion there: its own, or what the query model writes. */
export async function completed(prepared: Prepared, hooks: StageHooks): Promise<Prepared> {
  if (prepared.queries.every(({ completion }) => completion !== '')) return prepared;
  const queries = await withPool(prepared, hooks, (pool) => completeQueries(prepared, pool, hooks));
  return { ...prepared, queries };
}

function expectSameShapes(modules: Module[], others: Module[], { model, queryModel }: Configuration): void {
  const shape = (module: Module | undefined) =>
    module ? `${module.name} (${module.outputs},${module.inputs})` : 'no further layer';
  for (let m = 0; m < Math.max(modules.length, others.length); m++)
    if (shape(modules[m]) !== shape(others[m]))
      throw new InputError(
        `queryModel: expected the shapes of ${model}, where ${shape(modules[m])} stands, found ${shape(others[m])} in ${queryModel}: ` +
          'query and document gradients are compared layer by layer, so both models must have the same layers',
      );
}

/** Settings that contradict each other. */
function expectFitting({ preconditioner, projection, cosine, longDocuments }: Configuration): void {
  if (projection.kind === 'eigen' && preconditioner.kind === 'diagonal')
    throw new UsageError(
      'projection eigen keeps eigenvectors of the covariances, which preconditioner diagonal does not estimate: set preconditioner ' +
        'ekfac, kfac or identity, or another projection',
    );
  if (cosine && longDocuments === 'split')
    throw new UsageError(
      "cosine divides by the norm of a document's whole gradient, which longDocuments: split computes in pieces: set longDocuments: cut",
    );
}

/** A gradient of the user's own has no curvature and no projection of ours. */
function expectOwnGradientFits({ preconditioner, cosine }: Configuration, custom: CustomOperators): void {
  const own = ownGradient(custom);
  if (!own) return;
  if (preconditioner.kind !== 'identity')
    throw new UsageError(
      `operators: ${own.operator.name} computes gradients of its own, to which preconditioner ${preconditioner.kind} does not apply: ` +
        'set preconditioner: {kind: identity}',
    );
  if (cosine)
    throw new UsageError(
      `operators: ${own.operator.name} computes gradients of its own, whose norms are not known: set cosine: false`,
    );
}

/** What the query gradients depend on. A gradient operator of the user's own is named by its module's content. */
export async function queryFingerprint(prepared: Prepared, factors: FactorFolder | null): Promise<QueryFingerprint> {
  const { configuration, coverage, custom, folder, queries, queryModel } = prepared;
  const own = ownGradient(custom);
  return {
    version: QUERY_CACHE_VERSION,
    model: await folder.fingerprint(),
    queryModel: await queryModel.folder.fingerprint(),
    tokenizer: queryModel.tokenizer.fingerprint,
    modules: coverage.modules.map(({ name }) => name),
    contextTokens: configuration.contextTokens,
    chatTemplate: configuration.chatTemplate,
    preconditioner: configuration.preconditioner,
    projection: configuration.projection,
    factors: factors?.fingerprint ?? null,
    seed: configuration.seed,
    queries: fingerprintQueries(queries),
    operator: own ? { digest: await digestModule(own.spec.module), settings: own.spec.settings } : null,
  };
}

/** The user's own gradient operator, where the configuration names one. */
export function ownGradient({ maps }: CustomOperators) {
  return maps.find(({ operator }) => operator.takes === 'tokenWindows' && operator.gives === 'projectedGradients');
}

/** The step from token windows to projected gradients: the user's own, or the built-in one with the projection that the queries have. */
export async function gradientStep(prepared: Prepared, cache: QueryCache): Promise<ChainStep> {
  const own = ownGradient(prepared.custom);
  if (own) return { takes: 'tokenWindows', gives: 'projectedGradients', spec: own.spec };
  const { threadsPerWorker, prepack } = prepared.pool;
  const model = await gradientModel(prepared, await readProjections(cache));
  const spec = { module: builtIn('gradients/projectGradients'), settings: { model, threadsPerWorker, prepack } };
  return { takes: 'tokenWindows', gives: 'projectedGradients', spec };
}

/** The gradient model in the cache, written if it is not there. */
export function gradientModel(prepared: PreparedModel, projections: ModuleProjection[]): Promise<GradientModel> {
  const { configuration, folder, coverage } = prepared;
  const { contextTokens, batchTokens, cache, cosine } = configuration;
  return writeGradientModel(folder, { contextTokens, batchTokens }, coverage.modules, projections, cache, cosine);
}

/** Where the query gradients of the join are. */
export interface Join {
  path: string;
  queries: number;
  widths: number[];
  /** (Q) ‖P(∇f_q)‖ where scores are cosines, null where they are dot products. */
  queryNorms: number[] | null;
}

export async function openJoin({ configuration }: Prepared, cache: QueryCache): Promise<Join> {
  const { squaredNorm } = cache;
  const queryNorms = configuration.cosine && squaredNorm ? squaredNorm.map(Math.sqrt) : null;
  return { path: await writeJoinModel(cache), queries: cache.loss.length, widths: cache.widths, queryNorms };
}

/** The steps that add columns to documents: their kind, and with `words`, the file that wordPass gives, their BM25 scores. */
export function columnSteps(words: string | null): ChainStep[] {
  const step = (path: string, settings: unknown): ChainStep => ({
    takes: 'documents',
    gives: 'documents',
    spec: { module: builtIn(path), settings },
  });
  return [step('documents/labelKinds', {}), ...(words === null ? [] : [step('scores/scoreByWords', { path: words })])];
}

/** The whole chain from documents to scores; no gradients and no join where the user's own operator yields the scores. */
export function fullChain(prepared: Prepared, words: string | null, gradients: ChainStep[], join: Join[]): ChainStep[] {
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
  return chainSteps([...columnSteps(words), tokens, ...gradients, ...scores], custom);
}

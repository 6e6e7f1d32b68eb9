/** A user's own operators, loaded from the configuration and sorted by where they run. */
import { pathToFileURL } from 'node:url';
import { InputError } from '../../schemas/errors.ts';
import {
  type AnswerMatcher,
  type FoldOperator,
  type MapOperator,
  type Noun,
  nounOrder,
  type RunFacts,
} from '../../schemas/operators.ts';
import { type OpenFold, openFold } from './folds.ts';
import { fileOf, loadOperator, type Observer, type OperatorSpec } from './loadOperator.ts';
import { type OpenOperator, openOperator } from './openOperator.ts';
import { ownMatcher } from './ownMatcher.ts';

type Loaded<T> = { spec: OperatorSpec; operator: T };

export interface CustomOperators {
  maps: Loaded<MapOperator>[];
  folds: Loaded<FoldOperator>[];
  observers: Observer[];
  /** Says whether a document holds an answer, in place of the built-in one. */
  matcher: Loaded<AnswerMatcher> | null;
}

/** Loads every module of `operators`. Throws InputError for one that cannot be loaded, and for two folds of one name. */
export async function loadCustomOperators(operators: { path: string; settings: unknown }[]): Promise<CustomOperators> {
  const custom: CustomOperators = { maps: [], folds: [], observers: [], matcher: null };
  for (const { path, settings } of operators) {
    const spec = { module: pathToFileURL(path).href, settings };
    const operator = await loadOperator(spec.module);
    if (typeof operator === 'function') custom.observers.push(ownObserver(operator, path));
    else if (operator.kind === 'map') custom.maps.push({ spec, operator });
    else if (operator.kind === 'fold') custom.folds.push({ spec, operator });
    else if (custom.matcher) throw new InputError(twoMatchers(custom.matcher.operator.name, operator.name));
    else custom.matcher = { spec, operator: ownMatcher(operator, path) };
  }
  expectDistinct(custom.folds.map(({ operator }) => operator.name));
  return custom;
}

/** With its file, for errors. */
const ownObserver = (observer: Observer, file: string): Observer =>
  Object.assign((batches: Parameters<Observer>[0]) => observer(batches), { file });

const twoMatchers = (first: string, second: string): string =>
  `operators: expected one matcher of answers at most, got ${first} and ${second}: leave one out`;

/** Names of the run folder's own tables, which a fold of the user's may not take. */
const ownTables = [
  'top_documents',
  'bottom_documents',
  'correlations',
  'sources',
  'token_influence',
  'module_influence',
  'bm25_documents',
  'correlation_groups',
  'influence_per_nat',
  'influence_per_nat_tasks',
  'power_law',
  'power_law_tasks',
  'source_tasks',
  'kinds',
  'kind_tasks',
  'answers',
  'answer_tasks',
  'shared_documents',
  'duplicates',
  'findings',
  'skipped',
  'scores',
  'run',
  'influence',
  'report',
];

function expectDistinct(names: string[]): void {
  const taken = names.find((name, i) => ownTables.includes(name) || names.indexOf(name) !== i);
  if (taken)
    throw new InputError(`operators: expected each fold to have a name of its own, got ${taken} twice: rename it`);
}

/** Maps over `noun` that run on the main thread, opened. */
export function openGraphMaps({ maps }: CustomOperators, noun: Noun, facts: RunFacts): Promise<OpenOperator[]> {
  const here = maps.filter(({ operator }) => operator.lane === 'graph' && operator.takes === noun);
  return Promise.all(here.map(({ spec }) => openOperator(spec, facts)));
}

export function openFolds({ folds }: CustomOperators, facts: RunFacts): OpenFold[] {
  return folds.map(({ spec, operator }) =>
    openFold(operator, structuredClone(spec.settings), structuredClone(facts), fileOf(spec.module)),
  );
}

/** A step of the pool's chain: what is known of it before it is opened. */
export interface ChainStep {
  takes: Noun;
  gives: Noun;
  spec: OperatorSpec;
}

/**
 * The pool's chain: the built-in steps with the user's pool maps among them. A map that yields a later noun takes the place of the
 * built-in steps between; one that keeps its noun runs right after the step that yields it, in the order of the configuration. The
 * built-in steps that add columns to documents come behind the user's, whose columns they leave as they are.
 */
export function chainSteps(builtIn: ChainStep[], { maps }: CustomOperators): ChainStep[] {
  const own = maps
    .filter(({ operator }) => operator.lane === 'pool')
    .map(({ spec, operator: { takes, gives } }) => ({ spec, takes, gives }));
  const moving = own.filter(({ takes, gives }) => takes !== gives);
  const covered = (step: ChainStep) =>
    moving.some((map) => place(map.takes) <= place(step.takes) && place(step.gives) <= place(map.gives));
  const columns = builtIn.filter(({ takes, gives }) => takes === gives);
  const arrows = [...builtIn.filter((step) => !columns.includes(step) && !covered(step)), ...moving].sort(
    (a, b) => place(a.takes) - place(b.takes),
  );
  const staying = (noun: Noun) => own.filter(({ takes, gives }) => takes === noun && gives === noun);
  const chain = [...staying('documents'), ...columns, ...arrows.flatMap((step) => [step, ...staying(step.gives)])];
  expectConnected(chain);
  return chain;
}

function place(noun: Noun): number {
  return nounOrder.indexOf(noun);
}

function expectConnected(chain: ChainStep[]): void {
  let at: Noun = 'documents';
  for (const { takes, gives, spec } of chain) {
    if (takes !== at)
      throw new InputError(
        `operators: expected ${spec.module} to take ${at}, which come before it, and it takes ${takes}`,
      );
    at = gives;
  }
  if (at !== 'scores') throw new InputError(`operators: expected the chain to end in scores, and it ends in ${at}`);
}

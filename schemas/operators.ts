/** The operator contract: a map turns one batch into the next, a fold keeps a running state. Both are plain objects over plain data. */
import type { DocumentBatch, ProjectedGradients, ScoreBatch, TokenWindowBatch } from './batches.ts';

/** The nouns of the flow, in flow order, and the batch each one is. */
export interface Nouns {
  documents: DocumentBatch;
  tokenWindows: TokenWindowBatch;
  projectedGradients: ProjectedGradients;
  scores: ScoreBatch;
}
export type Noun = keyof Nouns;
export const nounOrder = ['documents', 'tokenWindows', 'projectedGradients', 'scores'] as const satisfies Noun[];

/** Where a map runs: in the graph (the main thread) or in the pool (a worker thread, fused with its neighbours). */
export type Lane = 'graph' | 'pool';

/** What `open` may need to know of the run. Plain data: the same value goes to a worker and to a test. */
export interface RunFacts {
  /** (Q) Query ids, in the order of the score columns. */
  queries: string[];
  /** (Q) Query tasks, '' where none was given. */
  tasks: string[];
  topK: number;
  seed: number;
}

/** One batch in, one batch out. State is made in `open`, so that two runs in one process never share it. */
export interface MapOperator<In extends Noun = Noun, Out extends Noun = In, Settings = unknown> {
  kind: 'map';
  name: string;
  takes: In;
  gives: Out;
  lane: Lane;
  open(settings: Settings, facts: RunFacts): OpenMap<In, Out> | Promise<OpenMap<In, Out>>;
}
export type OpenMap<In extends Noun, Out extends Noun> = (batch: Nouns[In]) => Nouns[Out] | Promise<Nouns[Out]>;

/** A table of a run folder: rows of flat values. */
export type TableRow = Record<string, string | number | boolean | bigint | null>;

/**
 * A running statistic over score batches. `state` is structured-clonable data. The laws, which one test checks for every fold:
 * `merge` is associative, `empty` is its identity, and merging the folds of two parts in reading order gives the fold of the whole.
 */
export interface FoldOperator<State = unknown, Result = unknown, Settings = unknown> {
  kind: 'fold';
  name: string;
  takes: 'scores';
  empty(settings: Settings, facts: RunFacts): State;
  /** Adds one batch to `state`, in place. */
  add(state: State, batch: ScoreBatch): void;
  /** Adds the documents of `from`, which come later in reading order, to `into`, in place. */
  merge(into: State, from: State): void;
  /** Rows become a Parquet table named after the fold, anything else a JSON file. */
  result(state: State): Result;
}

/** Work on plain data that is no step of the flow: opened once in a worker, then given one input after the other. Built-in operators only. */
export interface JobOperator<Settings = unknown, Input = unknown, Output = unknown> {
  kind: 'job';
  name: string;
  open(settings: Settings, facts: RunFacts): OpenJob<Input, Output> | Promise<OpenJob<Input, Output>>;
}
export type OpenJob<Input, Output> = (input: Input) => Output | Promise<Output>;

/** Says what a text holds of what is looked for: answers and intermediate steps. A user's own stands in place of `matchAnswer`. */
export interface AnswerMatcher<Settings = unknown> {
  kind: 'matcher';
  name: string;
  open(settings: Settings): OpenMatcher | Promise<OpenMatcher>;
}
/** True at i: `text` holds `wanted[i]`. Asked once for each document, with what every query that ranks it looks for. */
export type OpenMatcher = (text: string, wanted: readonly string[]) => boolean[] | Promise<boolean[]>;

/** What the report shows, as plain JSON: every number of it stands in a table of the run folder too. */

export interface ReportModel {
  /** Raised when the shape changes, so that other programs can tell. */
  format: 1;
  run: RunFacts;
  /** In the order of the queries; queries without a task belong to none. */
  tasks: string[];
  queries: ReportQuery[];
  /** Every ranked document once; rankings name them by their place here. */
  documents: ReportDocument[];
  /** One for each query, in the same order. */
  rankings: Rankings[];
  findings: Finding[];
  pairs: Pairs;
  groups: CorrelationGroup[];
  perNat: PerNatTask[];
  powerLaw: PowerLawQuery[];
  powerLawTasks: PowerLawTask[];
  sources: OverRepresentation[];
  kinds: OverRepresentation[];
  answers: AnswerText[];
  answerTasks: AnswerTask[];
  shared: SharedDocument[];
  duplicates: DuplicateGroup[];
  /** What the run cannot say, and why: a sentence for a section. */
  leftOut: LeftOut[];
  /** What the page leaves to report.json; empty in report.json itself. */
  trimmed: string[];
}

export type Section =
  | 'findings'
  | 'correlations'
  | 'per-nat'
  | 'power-law'
  | 'sources'
  | 'kinds'
  | 'answers'
  | 'explorer'
  | 'shared'
  | 'duplicates'
  | 'run';

export interface LeftOut {
  section: Section;
  sentence: string;
}

export interface RunFacts {
  headwater: string;
  /** Folder or hub name of the model whose gradients the documents' are, and of the one that wrote the completions where it is another. */
  model: string;
  queryModel: string | null;
  preconditioner: string;
  files: number;
  complete: boolean;
  /** What the sign of a score means. */
  score: string;
  cosine: boolean;
  read: number;
  scored: number;
  tokens: number | null;
  skipped: { reason: string; documents: number }[];
  coverage: { tracked: string[]; untracked: string[]; trackedParameters: number; parameters: number } | null;
  settings: [key: string, value: string][];
  seconds: [stage: string, seconds: number][];
  versions: [name: string, version: string][];
}

export interface ReportQuery {
  id: string;
  /** '' for none. */
  task: string;
  /** Null where the run did not keep it. */
  prompt: string | null;
  completion: string | null;
  /** f_q, the summed negative log-likelihood of the completion. */
  nats: number | null;
  tokens: number | null;
  answers: string[];
  /** Whether the completion holds one of the answers; null without answers. */
  holdsAnswer: boolean | null;
}

export interface ReportDocument {
  id: string;
  source: string | null;
  kind: string | null;
  file: string;
  row: number;
  text: string;
}

export interface Rankings {
  top: RankedDocument[];
  bottom: RankedDocument[];
  bm25: RankedDocument[];
  /** Scores of the top documents at ranks spaced evenly in the logarithm, with those of the power law's fit. */
  curve: { ranks: number[]; scores: number[] };
}

export interface RankedDocument {
  /** Index into `documents`. */
  document: number;
  rank: number;
  /** Influence, nats²; null where the document is not among those kept. */
  score: number | null;
  bm25: number | null;
  /** Its rank in the other ranking: by BM25 for influence's documents, by influence for BM25's. */
  otherRank: number | null;
  /** Group of near-duplicates. */
  group: number | null;
  oneToken: boolean | null;
  tokens: TokenInfluence | null;
}

/** Influence of each token: what reading it and predicting the next one adds to the score. */
export interface TokenInfluence {
  texts: string[];
  influence: number[];
  /** Tokens of the document before and behind these that are left out. */
  before: number;
  behind: number;
}

export interface Finding {
  number: number;
  finding: string;
  statement: string;
  figure: string;
  paper: string;
  verdict: string;
  reason: string;
}

/** Columns of equal length, a row for each pair of queries, which are named by their place. */
export interface Pairs {
  a: number[];
  b: number[];
  r: (number | null)[];
  p: (number | null)[];
  significant: (boolean | null)[];
  /** Documents that each r is over. */
  documents: number;
}

export interface CorrelationGroup {
  taskA: string;
  taskB: string;
  pairs: number;
  mean: number | null;
  sd: number | null;
  min: number | null;
  max: number | null;
  significant: number;
  undefinedPairs: number;
}

export interface PerNatTask {
  task: string;
  percent: number;
  queries: number;
  mean: number;
  sd: number | null;
  /** Standard deviation over mean. */
  variation: number | null;
  min: number;
  max: number;
}

export interface PowerLawQuery {
  /** Index into `queries`. */
  query: number;
  documents: number;
  slope: number | null;
  intercept: number | null;
  standardError: number | null;
  rSquared: number | null;
}

export interface PowerLawTask {
  task: string;
  queries: number;
  slope: number;
  sd: number | null;
  rSquared: number;
}

/** A source or a kind among the top and bottom k of a task's queries, against its share of the corpus. */
export interface OverRepresentation {
  /** '' for all queries. */
  task: string;
  name: string;
  k: number;
  queries: number;
  /** Documents of the corpus; null when there were too many sources to count. */
  documents: number | null;
  share: number | null;
  top: EndCount;
  bottom: EndCount;
}

export interface EndCount {
  count: number;
  ratio: number | null;
  /** Queries in which it stands more often than chance allows; null where nothing was tested. */
  significant: number | null;
}

export interface AnswerText {
  query: number;
  what: 'answer' | 'step';
  text: string;
  found: boolean;
  rank: number | null;
  documentId: string | null;
  documents: number;
  depth: number;
}

export interface AnswerTask {
  task: string;
  depth: number;
  queries: number;
  answersFound: number;
  withSteps: number;
  anyStep: number;
  allSteps: number;
}

export interface SharedDocument {
  /** Index into `documents`; null where it is not among the ranked ones. */
  document: number | null;
  id: string;
  source: string | null;
  kind: string | null;
  task: string;
  queries: number;
  of: number;
  depth: number;
}

export interface DuplicateGroup {
  group: number;
  members: { document: number | null; id: string; source: string | null; exact: boolean; similarity: number }[];
  /** In how many rankings its most often ranked document stands. */
  rankings: number;
}

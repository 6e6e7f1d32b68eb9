/** The columns that the report reads of each table; other columns are not looked at. */
import type { RowOf } from '../readTable.ts';

const place = { document_id: 'string', source: 'string?', kind: 'string?', file: 'string', row: 'int64' } as const;
const influenceRanked = {
  ...place,
  query_id: 'string',
  rank: 'int32',
  score: 'double',
  text: 'string',
  one_token: 'boolean?',
  bm25: 'double?',
  bm25_rank: 'int32?',
  duplicates: 'int32?',
} as const;

const overRepresented = {
  k: 'int32',
  documents: 'int64?',
  share_of_corpus: 'double?',
  in_top_k: 'int64',
  top_ratio: 'double?',
  in_bottom_k: 'int64',
  bottom_ratio: 'double?',
} as const;
const ofTask = {
  ...overRepresented,
  task: 'string',
  queries: 'int64',
  over_represented: 'int64?',
  bottom_over_represented: 'int64?',
} as const;

/** By the name of the table's file, without `.parquet`. */
export const columnsRead = {
  top_documents: influenceRanked,
  bottom_documents: influenceRanked,
  bm25_documents: {
    ...place,
    query_id: 'string',
    rank: 'int32',
    bm25: 'double',
    text: 'string',
    score: 'double?',
    influence_rank: 'int32?',
  },
  token_influence: {
    query_id: 'string',
    end: 'string',
    rank: 'int32',
    position: 'int32',
    token: 'string',
    influence: 'double',
  },
  correlations: {
    query_a: 'string',
    query_b: 'string',
    r: 'double?',
    p: 'double?',
    n: 'int64',
    significant: 'boolean?',
  },
  correlation_groups: {
    task_a: 'string',
    task_b: 'string',
    pairs: 'int64',
    mean_r: 'double?',
    sd_r: 'double?',
    min_r: 'double?',
    max_r: 'double?',
    significant: 'int64',
    undefined: 'int64',
  },
  influence_per_nat: { query_id: 'string', task: 'string', percent: 'double', per_nat: 'double?' },
  influence_per_nat_tasks: {
    task: 'string',
    percent: 'double',
    queries: 'int64',
    mean: 'double',
    standard_deviation: 'double?',
    coefficient_of_variation: 'double?',
    min: 'double',
    max: 'double',
  },
  power_law: {
    query_id: 'string',
    documents: 'int64',
    slope: 'double?',
    intercept: 'double?',
    standard_error: 'double?',
    r_squared: 'double?',
  },
  power_law_tasks: {
    task: 'string',
    queries: 'int64',
    mean_slope: 'double',
    sd_slope: 'double?',
    mean_r_squared: 'double',
  },
  sources: { ...overRepresented, query_id: 'string', source: 'string' },
  source_tasks: { ...ofTask, source: 'string' },
  kinds: { ...overRepresented, query_id: 'string', kind: 'string' },
  kind_tasks: { ...ofTask, kind: 'string' },
  answers: {
    query_id: 'string',
    what: 'string',
    text: 'string',
    found: 'boolean',
    rank: 'int32?',
    document_id: 'string?',
    documents: 'int64',
    depth: 'int64',
  },
  answer_tasks: {
    task: 'string',
    depth: 'int64',
    queries: 'int64',
    answers_found: 'int64',
    queries_with_steps: 'int64',
    any_step_found: 'int64',
    all_steps_found: 'int64',
  },
  shared_documents: { ...place, task: 'string', queries: 'int64', of: 'int64', depth: 'int64' },
  duplicates: {
    group: 'int32',
    document_id: 'string',
    source: 'string?',
    file: 'string',
    row: 'int64',
    exact: 'boolean',
    similarity: 'double',
    rankings: 'int64',
  },
  skipped: { reason: 'string' },
  findings: {
    number: 'int32',
    finding: 'string',
    statement: 'string',
    figure: 'string',
    paper: 'string',
    verdict: 'string',
    reason: 'string',
  },
} as const;

export type TableName = keyof typeof columnsRead;

/** The rows of each table; null where the folder lacks it. */
export type RunTables = { [Name in TableName]: RowOf<(typeof columnsRead)[Name]>[] | null };

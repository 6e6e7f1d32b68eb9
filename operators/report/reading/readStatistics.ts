/** Turns the tables of statistics into the report's: by task where queries have one, over all queries otherwise. */

import type {
  AnswerText,
  DuplicateGroup,
  OverRepresentation,
  Pairs,
  PerNatTask,
  PowerLawQuery,
  ReportModel,
} from '../reportModel.ts';
import type { RunTables } from './columns.ts';
import type { DocumentIndex } from './readRankings.ts';

type Statistics = Pick<
  ReportModel,
  | 'findings'
  | 'pairs'
  | 'groups'
  | 'perNat'
  | 'powerLaw'
  | 'powerLawTasks'
  | 'sources'
  | 'kinds'
  | 'answers'
  | 'answerTasks'
  | 'shared'
  | 'duplicates'
>;

export function readStatistics(tables: RunTables, queryPlaces: Map<string, number>, index: DocumentIndex): Statistics {
  return {
    findings: (tables.findings ?? []).toSorted((a, b) => a.number - b.number),
    pairs: pairsOf(tables, queryPlaces),
    groups: groupsOf(tables),
    perNat: perNatOf(tables),
    powerLaw: powerLawOf(tables, queryPlaces),
    powerLawTasks: (tables.power_law_tasks ?? []).map((row) => ({
      ...{ task: row.task, queries: row.queries },
      ...{ slope: row.mean_slope, sd: row.sd_slope, rSquared: row.mean_r_squared },
    })),
    sources: overRepresentations(tables.source_tasks ?? [], tables.sources ?? [], (row) => row.source),
    kinds: overRepresentations(tables.kind_tasks ?? [], tables.kinds ?? [], (row) => row.kind),
    answers: answersOf(tables, queryPlaces),
    answerTasks: (tables.answer_tasks ?? []).map((row) => ({
      ...{ task: row.task, depth: row.depth, queries: row.queries, answersFound: row.answers_found },
      ...{ withSteps: row.queries_with_steps, anyStep: row.any_step_found, allSteps: row.all_steps_found },
    })),
    shared: sharedOf(tables, index),
    duplicates: duplicatesOf(tables, index),
  };
}

function pairsOf({ correlations }: RunTables, queryPlaces: Map<string, number>): Pairs {
  const rows = (correlations ?? []).filter(
    ({ query_a, query_b }) => queryPlaces.has(query_a) && queryPlaces.has(query_b),
  );
  return {
    a: rows.map(({ query_a }) => queryPlaces.get(query_a)!),
    b: rows.map(({ query_b }) => queryPlaces.get(query_b)!),
    r: rows.map(({ r }) => r),
    p: rows.map(({ p }) => p),
    significant: rows.map(({ significant }) => significant),
    documents: rows[0]?.n ?? 0,
  };
}

const groupsOf = ({ correlation_groups }: RunTables): ReportModel['groups'] =>
  (correlation_groups ?? []).map((row) => ({
    ...{ taskA: row.task_a, taskB: row.task_b, pairs: row.pairs, mean: row.mean_r, sd: row.sd_r },
    ...{ min: row.min_r, max: row.max_r, significant: row.significant, undefinedPairs: row.undefined },
  }));

function perNatOf({ influence_per_nat_tasks, influence_per_nat }: RunTables): PerNatTask[] {
  if (influence_per_nat_tasks?.length)
    return influence_per_nat_tasks.map(({ standard_deviation, coefficient_of_variation, ...row }) => {
      return { ...row, sd: standard_deviation, variation: coefficient_of_variation };
    });
  const byPercent = new Map<number, number[]>();
  for (const { percent, per_nat } of influence_per_nat ?? [])
    if (per_nat !== null) byPercent.set(percent, [...(byPercent.get(percent) ?? []), per_nat]);
  return Array.from(byPercent, ([percent, values]) => spreadOf(percent, values));
}

/** The queries of one percentile taken together, for a run whose queries have no task. */
function spreadOf(percent: number, values: number[]): PerNatTask {
  const queries = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / queries;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const sd = queries > 1 ? Math.sqrt(squares / (queries - 1)) : null;
  const [min, max] = [Math.min(...values), Math.max(...values)];
  return { task: '', percent, queries, mean, sd, variation: sd === null || mean === 0 ? null : sd / mean, min, max };
}

const powerLawOf = ({ power_law }: RunTables, queryPlaces: Map<string, number>): PowerLawQuery[] =>
  (power_law ?? [])
    .filter(({ query_id }) => queryPlaces.has(query_id))
    .map((row) => ({
      ...{ query: queryPlaces.get(row.query_id)!, documents: row.documents, slope: row.slope },
      ...{ intercept: row.intercept, standardError: row.standard_error, rSquared: row.r_squared },
    }));

type Counted = NonNullable<RunTables['sources']>[number] | NonNullable<RunTables['kinds']>[number];
type CountedByTask = NonNullable<RunTables['source_tasks']>[number] | NonNullable<RunTables['kind_tasks']>[number];

function overRepresentations<T extends CountedByTask, Q extends Counted>(
  byTask: T[],
  byQuery: Q[],
  name: (row: T | Q) => string,
): OverRepresentation[] {
  if (byTask.length > 0) return byTask.map((row) => overRepresentation(row, name(row)));
  const sums = new Map<string, CountedByTask>();
  for (const row of byQuery) {
    const key = `${row.k} ${name(row)}`;
    const sum = sums.get(key);
    if (sum) addTo(sum, row);
    else sums.set(key, { ...row, task: '', queries: 1, over_represented: null, bottom_over_represented: null });
  }
  return [...sums.values()].map((row) => overRepresentation(row, name(row as T)));
}

/** Ratios of a source are over the same k and share, so that the sum's is their mean. */
function addTo(sum: CountedByTask, row: Counted): void {
  const mean = (of: number | null, value: number | null): number | null =>
    of === null || value === null ? null : (of * sum.queries + value) / (sum.queries + 1);
  sum.top_ratio = mean(sum.top_ratio, row.top_ratio);
  sum.bottom_ratio = mean(sum.bottom_ratio, row.bottom_ratio);
  sum.in_top_k += row.in_top_k;
  sum.in_bottom_k += row.in_bottom_k;
  ++sum.queries;
}

const overRepresentation = (row: CountedByTask, name: string): OverRepresentation => ({
  ...{ task: row.task, name, k: row.k, queries: row.queries, documents: row.documents, share: row.share_of_corpus },
  top: { count: row.in_top_k, ratio: row.top_ratio, significant: row.over_represented },
  bottom: { count: row.in_bottom_k, ratio: row.bottom_ratio, significant: row.bottom_over_represented },
});

const answersOf = ({ answers }: RunTables, queryPlaces: Map<string, number>): AnswerText[] =>
  (answers ?? [])
    .filter(({ query_id }) => queryPlaces.has(query_id))
    .map(({ query_id, document_id, what, ...row }) => ({
      ...{ query: queryPlaces.get(query_id)!, what: what === 'step' ? 'step' : 'answer', documentId: document_id },
      ...row,
    }));

const sharedOf = ({ shared_documents }: RunTables, index: DocumentIndex): ReportModel['shared'] =>
  (shared_documents ?? [])
    .map(({ document_id: id, file, row, ...shared }) => ({ document: index.find(file, row), id, ...shared }))
    .sort((a, b) => b.queries / b.of - a.queries / a.of || b.queries - a.queries);

function duplicatesOf({ duplicates }: RunTables, index: DocumentIndex): DuplicateGroup[] {
  const groups = new Map<number, DuplicateGroup>();
  for (const { group, document_id: id, source, file, row, exact, similarity, rankings } of duplicates ?? []) {
    if (!groups.has(group)) groups.set(group, { group, members: [], rankings: 0 });
    const own = groups.get(group)!;
    own.members.push({ document: index.find(file, row), id, source, exact, similarity });
    own.rankings = Math.max(own.rankings, rankings);
  }
  return [...groups.values()].sort((a, b) => b.rankings - a.rankings || b.members.length - a.members.length);
}

/** Every table that a run writes of what its folds hold at the end: one entry a table, and the findings that are drawn from them. */
import { answersFound, answerTasks } from '../../../operators/accumulators/answersFound.ts';
import type { Correlations } from '../../../operators/accumulators/correlations.ts';
import type { InfluenceDistribution } from '../../../operators/accumulators/influenceDistribution.ts';
import { influencePerNat } from '../../../operators/accumulators/influencePerNat.ts';
import type { KindCounts } from '../../../operators/accumulators/kindCounts.ts';
import { nearDuplicates } from '../../../operators/accumulators/nearDuplicates.ts';
import { powerLaw } from '../../../operators/accumulators/powerLaw.ts';
import { sharedDocuments } from '../../../operators/accumulators/sharedDocuments.ts';
import type { SourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import type { RankedDocuments, TopDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { CorpusDocuments } from '../../../operators/documents/corpusDocument.ts';
import { findingColumns, findings } from '../../../operators/report/findings.ts';
import {
  answerColumns,
  answerRows,
  answerTaskColumns,
  answerTaskRows,
} from '../../../operators/report/tables/answerRows.ts';
import { bm25Columns, bm25Rows } from '../../../operators/report/tables/bm25Rows.ts';
import {
  correlationGroupColumns,
  correlationGroupRows,
} from '../../../operators/report/tables/correlationGroupRows.ts';
import { correlationColumns, correlationRows } from '../../../operators/report/tables/correlationRows.ts';
import { documentColumns, documentRows } from '../../../operators/report/tables/documentRows.ts';
import { duplicateColumns, duplicateRows } from '../../../operators/report/tables/duplicateRows.ts';
import {
  influencePerNatColumns,
  influencePerNatRows,
  influencePerNatTaskColumns,
  influencePerNatTaskRows,
} from '../../../operators/report/tables/influencePerNatRows.ts';
import {
  type ExplainedDocument,
  moduleInfluenceColumns,
  moduleInfluenceRows,
  tokenInfluenceColumns,
  tokenInfluenceRows,
} from '../../../operators/report/tables/influenceRows.ts';
import {
  powerLawColumns,
  powerLawRows,
  powerLawTaskColumns,
  powerLawTaskRows,
} from '../../../operators/report/tables/powerLawRows.ts';
import { sharedColumns, sharedRows } from '../../../operators/report/tables/sharedRows.ts';
import {
  kindColumns,
  kindRows,
  kindTaskColumns,
  kindTaskRows,
  sourceColumns,
  sourceRows,
  sourceTaskColumns,
  sourceTaskRows,
} from '../../../operators/report/tables/sourceRows.ts';
import { taskClasses } from '../../../operators/report/taskClass.ts';
import type { Columns } from '../../../operators/report/writeTable.ts';
import { openBm25, readBm25Settings } from '../../../operators/scores/bm25.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import type { Prepared } from '../prepare.ts';
import type { Finished } from './runFolder.ts';

export interface StatisticTable {
  name: string;
  columns: Columns;
  rows: Iterable<TableRow>;
}

/** What the end of a run knows of the ranked documents, beside the folds. */
export interface Ranked {
  top: TopDocuments;
  bm25: RankedDocuments;
  documents: CorpusDocuments;
  explained: ExplainedDocument[];
  /** The corpus's files, in its order. */
  files: string[];
}

/** The tables in the order they are written; the findings are the last, drawn from the others. */
export async function statisticTables(prepared: Prepared, run: Finished, ranked: Ranked): Promise<StatisticTable[]> {
  const tables = [
    ...(await documentTables(prepared, run, ranked)),
    ...explanationTables(prepared, ranked),
    ...correlationTables(prepared, run),
    ...influenceTables(prepared, run, ranked),
    ...labelTables(prepared, run, ranked),
    ...(await answerTables(prepared, ranked)),
  ];
  const rowsOf = (name: string) => [...tables.find((table) => table.name === name)!.rows];
  const found = findings(
    {
      correlationGroups: rowsOf('correlation_groups'),
      influencePerNat: rowsOf('influence_per_nat'),
      answerTasks: rowsOf('answer_tasks'),
      kindTasks: rowsOf('kind_tasks'),
      sourceTasks: rowsOf('source_tasks'),
    },
    taskClasses(prepared.configuration.tasks),
  );
  return [...tables, table('findings', findingColumns, found as unknown as TableRow[])];
}

const table = (name: string, columns: Columns, rows: Iterable<TableRow>): StatisticTable => ({ name, columns, rows });

/** The rankings themselves, by influence and by words, what they share and what repeats in them. */
async function documentTables(
  { queries, facts }: Prepared,
  run: Finished,
  { top, bm25, documents, explained, files }: Ranked,
): Promise<StatisticTable[]> {
  const repeated = nearDuplicates(top, documents);
  const words = run.words === null ? undefined : openBm25(await readBm25Settings(run.words));
  const notes = { bm25: words, bm25Documents: bm25, duplicates: repeated };
  const ranking = (end: 'top' | 'bottom') => {
    const own = explained.filter((document) => document.end === end);
    return table(`${end}_documents`, documentColumns, documentRows(top[end], queries, documents, files, own, notes));
  };
  const shared = sharedDocuments(top.top, facts.tasks);
  return [
    ranking('top'),
    ranking('bottom'),
    ...(words ? [table('bm25_documents', bm25Columns, bm25Rows(bm25, top.top, queries, documents, files))] : []),
    table('shared_documents', sharedColumns, sharedRows(shared, documents, files)),
    table('duplicates', duplicateColumns, duplicateRows(repeated, documents, files)),
  ];
}

function explanationTables({ coverage }: Prepared, { explained }: Ranked): StatisticTable[] {
  if (explained.length === 0) return [];
  const modules = coverage.modules.map(({ name }) => name);
  return [
    table('token_influence', tokenInfluenceColumns, tokenInfluenceRows(explained)),
    table('module_influence', moduleInfluenceColumns, moduleInfluenceRows(explained, modules)),
  ];
}

function correlationTables({ queries }: Prepared, { folds }: Finished): StatisticTable[] {
  const pairs = folds.correlations.result() as Correlations;
  return [
    table('correlations', correlationColumns, correlationRows(pairs, queries)),
    table('correlation_groups', correlationGroupColumns, [...correlationGroupRows(pairs, queries)]),
  ];
}

function influenceTables({ queries }: Prepared, run: Finished, { top }: Ranked): StatisticTable[] {
  const nats = queries.map((_, q) => run.queries?.loss[q] ?? null);
  const shares = influencePerNat(top, run.folds.distribution.result() as InfluenceDistribution[], nats);
  const laws = powerLaw(top, queries.length);
  return [
    table('influence_per_nat', influencePerNatColumns, [...influencePerNatRows(shares, queries)]),
    table('influence_per_nat_tasks', influencePerNatTaskColumns, influencePerNatTaskRows(shares, queries)),
    table('power_law', powerLawColumns, powerLawRows(laws, queries)),
    table('power_law_tasks', powerLawTaskColumns, powerLawTaskRows(laws, queries)),
  ];
}

function labelTables(
  { queries, configuration }: Prepared,
  run: Finished,
  { top, documents }: Ranked,
): StatisticTable[] {
  const { topK } = configuration;
  const sources = [top, run.folds.sources.result() as SourceCounts, queries, documents, topK] as const;
  const kindsByKey = new Map([...documents].flatMap(([key, { kind }]) => (kind ? [[key, kind]] : [])));
  const kinds = [top, run.folds.kinds.result() as KindCounts, queries, kindsByKey, topK] as const;
  return [
    table('sources', sourceColumns, sourceRows(...sources)),
    table('source_tasks', sourceTaskColumns, [...sourceTaskRows(...sources)]),
    table('kinds', kindColumns, kindRows(...kinds)),
    table('kind_tasks', kindTaskColumns, [...kindTaskRows(...kinds)]),
  ];
}

async function answerTables(
  { queries, custom }: Prepared,
  { top, documents, files }: Ranked,
): Promise<StatisticTable[]> {
  const { operator, spec } = custom.matcher ?? {};
  const found = await answersFound(top.top, queries, documents, operator, spec?.settings);
  return [
    table('answers', answerColumns, answerRows(found, queries, documents, files)),
    table('answer_tasks', answerTaskColumns, [...answerTaskRows(answerTasks(found, queries))]),
  ];
}

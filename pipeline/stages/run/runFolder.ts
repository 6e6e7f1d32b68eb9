/** The run folder: the tables of what a pass met and of what its folds hold, and run.json. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DocumentCounts } from '../../../operators/accumulators/documentCounts.ts';
import type { RepeatedIds } from '../../../operators/accumulators/repeatedIds.ts';
import type { SourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import type { RankedDocuments, TopDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { CorpusDocuments } from '../../../operators/documents/corpusDocument.ts';
import { writeLines } from '../../../operators/files/wholeFile.ts';
import type { QueryCache } from '../../../operators/queries/queryCache.ts';
import { influenceLines } from '../../../operators/report/influenceLines.ts';
import { scoreMeaning, summary } from '../../../operators/report/summary.ts';
import { scoreColumns, scoreRows } from '../../../operators/report/tables/scoreRows.ts';
import { skippedColumns, skippedRows } from '../../../operators/report/tables/skippedRows.ts';
import { writeReport } from '../../../operators/report/writeReport.ts';
import { type Columns, inferColumns, writeTable } from '../../../operators/report/writeTable.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import type { Configuration } from '../../../schemas/configuration.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import type { RunIdentity } from '../../checkpoints/runIdentity.ts';
import type { OpenFold } from '../../operators/folds.ts';
import { projectionCosts } from '../captureLines.ts';
import { coverageLines } from '../coverage.ts';
import { reportLines } from '../report.ts';
import type { StageHooks } from '../stageHooks.ts';
import { explainRankings } from './explain.ts';
import type { OpenRun } from './openRun.ts';
import { rankedDocuments } from './rankedDocuments.ts';
import { statisticTables } from './statisticTables.ts';
import type { Clock, Streamed } from './streamed.ts';

/** What the tables of the end are made of. */
export interface Finished extends Streamed {
  queries: QueryCache | null;
  /** Where scoreByWords has its statistics; null where BM25 was not asked for. */
  words: string | null;
}

export class RunFolder {
  private readonly run: OpenRun;
  private readonly identity: RunIdentity;
  /** The files of the run that was here before. */
  private readonly earlier: string[];
  private readonly clock: Clock;
  private readonly hooks: StageHooks;
  private readonly files: string[];
  private readonly out: string;
  private readonly tables: string[] = [];

  constructor(run: OpenRun, identity: RunIdentity, earlier: string[], clock: Clock, hooks: StageHooks) {
    this.run = run;
    this.identity = identity;
    this.earlier = earlier;
    this.clock = clock;
    this.hooks = hooks;
    this.files = run.corpus.files.map(({ path }) => path);
    this.out = run.prepared.configuration.out;
  }

  /** Writes every table, then run.json, then the report of them: a folder with run.json is whole. */
  async write(streamed: Streamed): Promise<{ exitCode: number; summary: string }> {
    const { prepared, corpus, queries, words, join: joined } = this.run;
    // An earlier run's must not speak for a mixture of its tables and these.
    await rm(join(this.out, 'run.json'), { force: true });
    const run = { ...streamed, queries, words };
    const top = run.folds.top.result() as TopDocuments;
    const bm25 = run.folds.bm25.result() as RankedDocuments;
    const documents = await rankedDocuments(prepared, corpus, top, bm25);
    await this.journaled(run);
    const explained = await explainRankings(prepared, queries, joined, top, documents, this.files, this.hooks);
    this.clock.lap('explain');
    const ranked = { top, bm25, documents, explained, files: this.files };
    for (const { name, columns, rows } of await statisticTables(prepared, run, ranked))
      await this.table(name, columns, rows);
    await this.lines('influence.jsonl', influenceLines(top, prepared.queries, documents));
    for (const fold of run.custom) await this.custom(fold);
    this.clock.lap('write');
    await this.writeRunJson(run);
    const report = await writeReport(this.out);
    this.clock.lap('report');
    const closing = [...this.closingLines(run), ...reportLines(report)];
    return { exitCode: exitCodeOf(run, prepared.configuration), summary: this.summary(run, top, documents, closing) };
  }

  private summary(run: Finished, topDocuments: TopDocuments, documents: CorpusDocuments, closing: string[]): string {
    const { folds } = run;
    const text = summary({
      queries: this.run.prepared.queries,
      topDocuments,
      documents,
      counts: countsOf(run),
      repeatedIds: folds.repeated.result() as RepeatedIds,
      sourceCounts: folds.sources.result() as SourceCounts,
    });
    return [text, ...coverageLines(this.run.prepared.coverage), ...closing].join('\n');
  }

  /** The tables of what the pass met row by row. */
  private async journaled({ entries }: Streamed): Promise<void> {
    const { files } = this;
    const { queries, configuration } = this.run.prepared;
    await this.table(
      'skipped',
      skippedColumns,
      rowsOf(entries(), ({ setAside, lost }) => skippedRows(setAside, lost, files)),
    );
    if (!configuration.keepScores) return;
    await this.table(
      'scores',
      scoreColumns,
      rowsOf(entries(), ({ scores }) => (scores ? scoreRows(scores, queries, files) : [])),
    );
  }

  private async table(
    name: string,
    columns: Columns,
    rows: Iterable<TableRow> | AsyncIterable<TableRow>,
  ): Promise<void> {
    await writeTable(join(this.out, `${name}.parquet`), columns, rows);
    this.tables.push(`${name}.parquet`);
  }

  private async lines(name: string, lines: Iterable<string>): Promise<void> {
    await writeLines(join(this.out, name), lines);
    this.tables.push(name);
  }

  /** Rows become a Parquet table, anything else a JSON file. */
  private async custom(fold: OpenFold): Promise<void> {
    const result = fold.result();
    const rows = Array.isArray(result) ? (result as TableRow[]) : [];
    if (rows.length > 0) await this.table(fold.name, inferColumns(fold.name, rows), rows);
    else await this.lines(`${fold.name}.json`, [JSON.stringify(result, null, 2)]);
  }

  private async writeRunJson(run: Finished): Promise<void> {
    const { configuration, coverage, folder, queries, tokenizer, pool } = this.run.prepared;
    const { tally } = run;
    const nats = queries.map(({ id, task, prompt, completion }, q) => {
      return {
        id,
        task,
        prompt,
        completion,
        nats: run.queries?.loss[q] ?? null,
        tokens: run.queries?.tokens[q] ?? null,
      };
    });
    const description = {
      headwater: packageJson.version,
      complete: true,
      exitCode: exitCodeOf(run, configuration),
      score: scoreMeaning,
      counts: {
        ...countsOf(run),
        replaced: tally.replaced,
        badFiles: this.run.corpus.badFiles,
      },
      repeatedIds: run.folds.repeated.result(),
      queries: nats,
      coverage,
      projection: run.queries?.layers && projectionCosts(coverage.modules, run.queries.layers),
      configuration,
      pool,
      identity: this.identity,
      fingerprints: {
        model: await folder.fingerprint(),
        tokenizer: tokenizer.fingerprint,
        corpus: this.run.corpus.files.map(({ path, rows, bytes, footerHash }) => ({ path, rows, bytes, footerHash })),
      },
      versions: { node: process.versions.node, ...packageJson.dependencies },
      seconds: this.clock.seconds,
      tables: this.tables,
    };
    const { out } = this;
    await writeLines(join(out, 'run.json'), [JSON.stringify(description, null, 2)]);
    // What this run did not write belongs to the earlier one; a report of its tables would be too.
    const stale = [...this.earlier.filter((name) => !this.tables.includes(name)), 'report.html', 'report.json'];
    for (const name of stale) await rm(join(out, name), { force: true });
  }

  private closingLines(run: Finished): string[] {
    const { lost, replaced } = run.tally;
    const over = overBudget(this.run.prepared.configuration.maxSkipped, run);
    const lines = over ? [over] : [];
    if (lost > 0) lines.push(`${lost.toLocaleString('en')} rows lost in files that broke while being read`);
    if (replaced > 0) lines.push(`${replaced.toLocaleString('en')} documents had invalid text replaced by U+FFFD`);
    for (const { path, reason } of this.run.corpus.badFiles) lines.push(`passed over ${path}: ${reason}`);
    const seconds = Object.entries(this.clock.seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`);
    lines.push(`time: ${seconds.join(', ')}`, `results in ${this.out}`, '');
    return lines;
  }
}

async function* rowsOf<T>(entries: AsyncIterable<T>, rows: (entry: T) => Iterable<TableRow>): AsyncGenerator<TableRow> {
  for await (const entry of entries) yield* rows(entry);
}

/** read = scored + set aside, rows that could not be read among them. */
function countsOf({ folds, tally: { lost } }: Streamed): DocumentCounts {
  const counts = folds.counts.result() as DocumentCounts;
  return { ...counts, read: counts.read + lost, setAside: { ...counts.setAside, unreadable: lost } };
}

const OVER_BUDGET = 4;

function exitCodeOf(run: Streamed, { maxSkipped }: Configuration): number {
  return overBudget(maxSkipped, run) ? OVER_BUDGET : 0;
}

/** What to say where more was skipped than the configuration allows; null where it was not. */
function overBudget({ share, documents }: Configuration['maxSkipped'], run: Streamed): string | null {
  const { read, scored } = countsOf(run);
  const skipped = read - scored;
  const allowed = documents ?? Math.floor(share * read);
  if (skipped <= allowed) return null;
  const limit = documents === undefined ? `maxSkipped.share: ${share}` : `maxSkipped.documents: ${documents}`;
  return (
    `${skipped.toLocaleString('en')} of ${read.toLocaleString('en')} documents were set aside, more than the ${allowed.toLocaleString('en')} that ` +
    `${limit} allows: skipped.parquet says why, document by document; the other tables are whole`
  );
}

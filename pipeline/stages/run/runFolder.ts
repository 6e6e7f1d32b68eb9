/** The run folder: tables that grow while the corpus streams, tables of what the folds hold at the end, and run.json. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DocumentCounts } from '../../../operators/accumulators/documentCounts.ts';
import type { RepeatedIds } from '../../../operators/accumulators/repeatedIds.ts';
import type { SourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import type { RankedDocuments, TopDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import type { CorpusDocuments } from '../../../operators/documents/corpusDocument.ts';
import { writeLines } from '../../../operators/files/wholeFile.ts';
import type { QueryCache } from '../../../operators/queries/queryCache.ts';
import { influenceLines } from '../../../operators/report/influenceLines.ts';
import { scoreMeaning, summary } from '../../../operators/report/summary.ts';
import type { ExplainedDocument } from '../../../operators/report/tables/influenceRows.ts';
import { scoreColumns, scoreRows } from '../../../operators/report/tables/scoreRows.ts';
import { skippedColumns, skippedRows } from '../../../operators/report/tables/skippedRows.ts';
import { writeReport } from '../../../operators/report/writeReport.ts';
import {
  type Columns,
  inferColumns,
  openTable,
  type TableWriter,
  writeTable,
} from '../../../operators/report/writeTable.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import type { ScoreBatch } from '../../../schemas/batches.ts';
import { UsageError } from '../../../schemas/errors.ts';
import type { TableRow } from '../../../schemas/operators.ts';
import type { OpenFold } from '../../operators/folds.ts';
import { projectionCosts } from '../captureLines.ts';
import { coverageLines } from '../coverage.ts';
import type { Prepared } from '../prepare.ts';
import { reportLines } from '../report.ts';
import { rankedDocuments } from './rankedDocuments.ts';
import { statisticTables } from './statisticTables.ts';
import type { Clock, Streamed } from './streamed.ts';

/** What `write` needs beside the folder's own knowledge. */
export interface Finished extends Streamed {
  queries: QueryCache | null;
  /** Where scoreByWords has its statistics; null where BM25 was not asked for. */
  words: string | null;
  clock: Clock;
  /** Where in the first documents of each ranking their influence lies. */
  explain(top: TopDocuments, documents: CorpusDocuments, files: string[]): Promise<ExplainedDocument[]>;
}

/**
 * Opens the run folder. An earlier run's tables stay until new ones take their place; throws UsageError for a folder that holds
 * something else.
 */
export async function openRunFolder(prepared: Prepared, corpus: Corpus): Promise<RunFolder> {
  const { out, keepScores } = prepared.configuration;
  const earlier = await earlierTables(out);
  await mkdir(out, { recursive: true });
  const skipped = await openTable(join(out, 'skipped.parquet'), skippedColumns);
  const scores = keepScores ? await openTable(join(out, 'scores.parquet'), scoreColumns) : null;
  return new RunFolder(prepared, corpus, skipped, scores, earlier);
}

/** The files that an earlier run's run.json lists. */
async function earlierTables(out: string): Promise<string[]> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    if (error.code === 'ENOTDIR')
      throw new UsageError(`out: expected a folder, got the file ${out}: name another with --out`);
    throw error;
  });
  if (names.every((name) => name.endsWith('.partial'))) return [];
  const text = await readFile(join(out, 'run.json'), 'utf8').catch(() => '{}');
  const { tables } = JSON.parse(text) as { tables?: string[] };
  if (tables) return tables.filter((name) => names.includes(name));
  throw new UsageError(
    `out: expected an empty folder or an earlier run's, got ${out} with ${names.slice(0, 3).join(', ')} and no run.json: name another with --out`,
  );
}

export class RunFolder {
  private readonly prepared: Prepared;
  private readonly corpus: Corpus;
  private readonly files: string[];
  private readonly skipped: TableWriter;
  private readonly scores: TableWriter | null;
  private readonly earlier: string[];
  private readonly tables: string[] = [];

  constructor(prepared: Prepared, corpus: Corpus, skipped: TableWriter, scores: TableWriter | null, earlier: string[]) {
    this.prepared = prepared;
    this.corpus = corpus;
    this.files = corpus.files.map(({ path }) => path);
    this.skipped = skipped;
    this.scores = scores;
    this.earlier = earlier;
  }

  /** Appends a batch's rows to the tables that grow. */
  async take(batch: ScoreBatch): Promise<void> {
    for (const row of skippedRows(batch.setAside, this.files)) await this.skipped.append(row);
    if (!this.scores) return;
    for (const row of scoreRows(batch, this.prepared.queries, this.files)) await this.scores.append(row);
  }

  /** Writes every table, then run.json, then the report of them: a folder with run.json is whole. */
  async write(run: Finished): Promise<{ exitCode: number; summary: string }> {
    const top = run.folds.top.result() as TopDocuments;
    const bm25 = run.folds.bm25.result() as RankedDocuments;
    const documents = await rankedDocuments(this.prepared, this.corpus, top, bm25);
    await this.closeGrowing();
    const explained = await run.explain(top, documents, this.files);
    run.clock.lap('explain');
    const ranked = { top, bm25, documents, explained, files: this.files };
    for (const { name, columns, rows } of await statisticTables(this.prepared, run, ranked))
      await this.table(name, columns, rows);
    await this.lines('influence.jsonl', influenceLines(top, this.prepared.queries, documents));
    for (const fold of run.custom) await this.custom(fold);
    run.clock.lap('write');
    await this.writeRunJson(run);
    const report = await writeReport(this.prepared.configuration.out);
    run.clock.lap('report');
    const closing = [...this.closingLines(run), ...reportLines(report)];
    return { exitCode: 0, summary: this.summary(run, top, documents, closing) };
  }

  private summary(
    { folds }: Finished,
    topDocuments: TopDocuments,
    documents: CorpusDocuments,
    closing: string[],
  ): string {
    const text = summary({
      queries: this.prepared.queries,
      topDocuments,
      documents,
      counts: folds.counts.result() as DocumentCounts,
      repeatedIds: folds.repeated.result() as RepeatedIds,
      sourceCounts: folds.sources.result() as SourceCounts,
    });
    return [text, ...coverageLines(this.prepared.coverage), ...closing].join('\n');
  }

  /** Leaves no half-written table behind; does nothing after `write`. */
  async close(): Promise<void> {
    await this.skipped.abandon();
    await this.scores?.abandon();
  }

  private async closeGrowing(): Promise<void> {
    await this.skipped.close();
    this.tables.push('skipped.parquet');
    await this.scores?.close();
    if (this.scores) this.tables.push('scores.parquet');
  }

  private async table(name: string, columns: Columns, rows: Iterable<TableRow>): Promise<void> {
    await writeTable(join(this.prepared.configuration.out, `${name}.parquet`), columns, rows);
    this.tables.push(`${name}.parquet`);
  }

  private async lines(name: string, lines: Iterable<string>): Promise<void> {
    await writeLines(join(this.prepared.configuration.out, name), lines);
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
    const { configuration, coverage, folder, queries, tokenizer, pool } = this.prepared;
    const { read, lost, replaced, complete, clock } = run;
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
      complete,
      score: scoreMeaning,
      counts: {
        ...(run.folds.counts.result() as DocumentCounts),
        read,
        lost,
        replaced,
        badFiles: this.corpus.badFiles,
      },
      repeatedIds: run.folds.repeated.result(),
      queries: nats,
      coverage,
      projection: run.queries?.layers && projectionCosts(coverage.modules, run.queries.layers),
      configuration,
      pool,
      fingerprints: {
        model: await folder.fingerprint(),
        tokenizer: tokenizer.fingerprint,
        corpus: this.corpus.files.map(({ path, rows, bytes, footerHash }) => ({ path, rows, bytes, footerHash })),
      },
      versions: { node: process.versions.node, ...packageJson.dependencies },
      seconds: clock.seconds,
      tables: this.tables,
    };
    const { out } = configuration;
    await writeLines(join(out, 'run.json'), [JSON.stringify(description, null, 2)]);
    // What this run did not write belongs to the earlier one; a report of its tables would be too.
    const stale = [...this.earlier.filter((name) => !this.tables.includes(name)), 'report.html', 'report.json'];
    for (const name of stale) await rm(join(out, name), { force: true });
  }

  private closingLines({ complete, lost, replaced, clock }: Finished): string[] {
    const lines: string[] = [];
    if (!complete)
      lines.push('stopped early: the tables hold the documents scored until then (run.json: "complete": false)');
    if (lost > 0) lines.push(`${lost.toLocaleString('en')} rows lost in files that broke while being read`);
    if (replaced > 0) lines.push(`${replaced.toLocaleString('en')} documents had invalid text replaced by U+FFFD`);
    for (const { path, reason } of this.corpus.badFiles) lines.push(`passed over ${path}: ${reason}`);
    const seconds = Object.entries(clock.seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`);
    lines.push(`time: ${seconds.join(', ')}`, `results in ${this.prepared.configuration.out}`, '');
    return lines;
  }
}

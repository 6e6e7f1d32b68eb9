/** The run folder: tables that grow while the corpus streams, tables of what the folds hold at the end, and run.json. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Correlations } from '../../operators/accumulators/correlations.ts';
import type { DocumentCounts } from '../../operators/accumulators/documentCounts.ts';
import type { RepeatedIds } from '../../operators/accumulators/repeatedIds.ts';
import type { SourceCounts } from '../../operators/accumulators/sourceCounts.ts';
import { rankedKeys, type TopDocuments } from '../../operators/accumulators/topDocuments.ts';
import type { Corpus } from '../../operators/documents/corpus.ts';
import { fetchDocuments } from '../../operators/documents/fetchDocuments.ts';
import { writeLines } from '../../operators/files/wholeFile.ts';
import type { QueryCache } from '../../operators/queries/queryCache.ts';
import { influenceLines } from '../../operators/report/influenceLines.ts';
import { scoreMeaning, summary } from '../../operators/report/summary.ts';
import { correlationColumns, correlationRows } from '../../operators/report/tables/correlationRows.ts';
import {
  type CorpusDocument,
  type CorpusDocuments,
  documentColumns,
  documentRows,
} from '../../operators/report/tables/documentRows.ts';
import {
  type ExplainedDocument,
  moduleInfluenceColumns,
  moduleInfluenceRows,
  tokenInfluenceColumns,
  tokenInfluenceRows,
} from '../../operators/report/tables/influenceRows.ts';
import { scoreColumns, scoreRows } from '../../operators/report/tables/scoreRows.ts';
import { skippedColumns, skippedRows } from '../../operators/report/tables/skippedRows.ts';
import { sourceColumns, sourceRows } from '../../operators/report/tables/sourceRows.ts';
import {
  type Columns,
  inferColumns,
  openTable,
  type TableWriter,
  writeTable,
} from '../../operators/report/writeTable.ts';
import packageJson from '../../package.json' with { type: 'json' };
import type { ScoreBatch } from '../../schemas/batches.ts';
import { UsageError } from '../../schemas/errors.ts';
import type { TableRow } from '../../schemas/operators.ts';
import type { OpenFold } from '../operators/folds.ts';
import { projectionCosts } from './captureLines.ts';
import { coverageLines } from './coverage.ts';
import type { Prepared } from './prepare.ts';
import type { Clock, Streamed } from './streamed.ts';

/** What `write` needs beside the folder's own knowledge. */
export interface Finished extends Streamed {
  queries: QueryCache | null;
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

  /** Writes every table and, last, run.json: a folder with it is whole. */
  async write(run: Finished): Promise<{ exitCode: number; summary: string }> {
    const { queries, configuration, coverage } = this.prepared;
    const top = run.folds.top.result() as TopDocuments;
    const sources = run.folds.sources.result() as SourceCounts;
    const documents = await this.rankedDocuments(top);
    await this.closeGrowing();
    const explained = await run.explain(top, documents, this.files);
    run.clock.lap('explain');
    for (const end of ['top', 'bottom'] as const) {
      const own = explained.filter((document) => document.end === end);
      const rows = documentRows(top[end], queries, documents, this.files, own);
      await this.table(`${end}_documents`, documentColumns, rows);
    }
    if (explained.length > 0) await this.explanations(explained);
    const pairs = run.folds.correlations.result() as Correlations;
    await this.table('correlations', correlationColumns, correlationRows(pairs, queries));
    await this.table('sources', sourceColumns, sourceRows(top, sources, queries, documents, configuration.topK));
    await this.lines('influence.jsonl', influenceLines(top, queries, documents));
    for (const fold of run.custom) await this.custom(fold);
    run.clock.lap('write');
    await this.writeRunJson(run);
    const counts = run.folds.counts.result() as DocumentCounts;
    const repeatedIds = run.folds.repeated.result() as RepeatedIds;
    const text = summary({ queries, topDocuments: top, documents, counts, repeatedIds, sourceCounts: sources });
    return { exitCode: 0, summary: [text, ...coverageLines(coverage), ...this.closingLines(run)].join('\n') };
  }

  /** Leaves no half-written table behind; does nothing after `write`. */
  async close(): Promise<void> {
    await this.skipped.abandon();
    await this.scores?.abandon();
  }

  private async rankedDocuments(top: TopDocuments): Promise<Map<number, CorpusDocument>> {
    const fetched = await fetchDocuments(this.corpus, this.prepared.configuration.corpus, rankedKeys(top));
    const documents = new Map<number, CorpusDocument>();
    for (const [key, document] of fetched) {
      const file = this.corpus.files.findLastIndex(({ rowStart }) => rowStart <= key);
      documents.set(key, { ...document, file, row: key - this.corpus.files[file].rowStart });
    }
    return documents;
  }

  private async explanations(explained: ExplainedDocument[]): Promise<void> {
    const modules = this.prepared.coverage.modules.map(({ name }) => name);
    await this.table('token_influence', tokenInfluenceColumns, tokenInfluenceRows(explained));
    await this.table('module_influence', moduleInfluenceColumns, moduleInfluenceRows(explained, modules));
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
    const nats = queries.map(({ id, task, completion }, q) => {
      return { id, task, completion, nats: run.queries?.loss[q] ?? null, tokens: run.queries?.tokens[q] ?? null };
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
    // A table that this run did not write belongs to the earlier one.
    for (const stale of this.earlier) if (!this.tables.includes(stale)) await rm(join(out, stale), { force: true });
  }

  private closingLines({ complete, lost, replaced, clock }: Finished): string[] {
    const lines: string[] = [];
    if (!complete)
      lines.push('stopped early: the tables hold the documents scored until then (run.json: "complete": false)');
    if (lost > 0) lines.push(`${lost.toLocaleString('en')} rows lost in files that broke while being read`);
    if (replaced > 0) lines.push(`${replaced.toLocaleString('en')} documents had invalid text replaced by U+FFFD`);
    for (const { path, reason } of this.corpus.badFiles) lines.push(`passed over ${path}: ${reason}`);
    const seconds = Object.entries(clock.seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`);
    lines.push(`time: ${seconds.join(', ')}`, `results in ${this.prepared.configuration.out}`);
    return lines;
  }
}

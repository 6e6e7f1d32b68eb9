/** The tables of bench/groundTruth.ts, from what its Python scripts wrote as JSON. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { describeMachine, machineLines } from './machine.ts';
import { markdownTable, type ReportRow } from './report.ts';

/** Over queries; `low` and `high` bound the mean in 95 % of bootstrap samples. */
interface Mean {
  mean: number;
  error: number;
  low: number;
  high: number;
}

type ByTask<T> = Record<string, T>;
type ByRanking<T> = Record<string, T>;

export interface Retrieval {
  rankings: Record<string, ByRanking<ByTask<Record<string, number>>>>;
  taught: ByTask<{ queries: number; documents: number }>;
}

interface Patch {
  step: string;
  documents: number;
  rise: ByRanking<ByTask<Mean>>;
  'EK-FAC minus': ByRanking<ByTask<Mean>>;
  'queries better': ByRanking<number>;
}

export type TailPatch = Record<string, Patch[]>;

export interface Datamodelling {
  halves: number;
  epochs: number;
  steps: number;
  loss: number;
  noise: Record<string, number>;
  spread: ByTask<{ mean: number; deviation: number }>;
  scores: Record<string, Scores>;
}

interface Scores {
  lds: ByRanking<ByTask<Mean>>;
  'EK-FAC minus': ByRanking<ByTask<Mean & { 'low over halves'?: number; 'high over halves'?: number }>>;
}

export interface GroundTruth {
  retrieval?: Retrieval;
  tailPatch?: TailPatch;
  datamodelling?: Datamodelling;
}

/** Reads what there is of the three parts, prints their tables, and writes all of it to `jsonFile`, where one is named. */
export async function printGroundTruth(files: Record<keyof GroundTruth, string>, jsonFile?: string): Promise<void> {
  const parts = Object.entries(files).filter(([, file]) => existsSync(file));
  const read = parts.map(async ([part, file]) => [part, JSON.parse(await readFile(file, 'utf8'))] as const);
  const found: GroundTruth = Object.fromEntries(await Promise.all(read));
  const machine = describeMachine();
  const tables = [
    ...(found.retrieval ? retrievalTable(found.retrieval) : []),
    ...(found.tailPatch ? tailPatchTables(found.tailPatch) : []),
    ...(found.datamodelling ? datamodellingTables(found.datamodelling) : []),
  ];
  console.log(['## Ground truth in the bundled world', machineLines(machine), ...tables].join('\n\n'));
  if (jsonFile) await writeFile(jsonFile, `${JSON.stringify({ machine, ...found })}\n`);
}

export function retrievalTable({ rankings, taught }: Retrieval): string[] {
  const tasks = Object.keys(taught).filter((task) => taught[task].queries > 0);
  const rows = Object.entries(rankings).flatMap(([gradients, ranked]) =>
    Object.entries(ranked).map(([name, measured]): ReportRow => {
      const cells = tasks.map((task) => [heading(task, taught), retrievalCell(measured[task])]);
      return { 'query gradients': gradientsOf(name, gradients), ranking: name, ...Object.fromEntries(cells) };
    }),
  );
  return [
    '### Documents that teach what is asked: recall at 10 / at 100 / mean reciprocal rank',
    markdownTable(distinct(rows)),
  ];
}

function heading(task: string, taught: Retrieval['taught']): string {
  const { queries, documents } = taught[task];
  return `${task}: ${queries} queries, ${Math.round(documents)} documents each`;
}

function retrievalCell(measured: Record<string, number>): string {
  return ['recall at 10', 'recall at 100', 'reciprocal rank'].map((name) => measured[name].toFixed(3)).join(' / ');
}

/** Word overlap and chance have no query gradients. */
function gradientsOf(name: string, gradients: string): string {
  return name === 'BM25' || name === 'random' ? '' : gradients;
}

/** Rows that say the same stand once: those of BM25 and random do not depend on query gradients. */
function distinct(rows: ReportRow[]): ReportRow[] {
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
}

export function tailPatchTables(models: TailPatch): string[] {
  const patches = Object.entries(models).flatMap(([model, patches]) => patches.map((patch) => ({ model, ...patch })));
  const first = ({ model, step, documents }: { model: string; step: string; documents: number }): ReportRow => ({
    model,
    step,
    documents,
  });
  const rises = patches.map((patch) => ({ ...first(patch), ...cells(patch.rise, ({ all }) => plusMinus(all)) }));
  const differences = patches.map((patch) => ({
    ...first(patch),
    ...cells(patch['EK-FAC minus'], ({ all }, name) => `${interval(all)}, ${percent(patch['queries better'][name])}`),
  }));
  return [
    '### Tail-patch: rise of the log-probability of the completion after one step on the first documents, nats, mean ± standard error over queries',
    markdownTable(rises),
    'EK-FAC minus each, paired by query: mean [95 % by bootstrap], share of queries in which EK-FAC is ahead',
    markdownTable(differences),
    tailPatchNotes,
  ];
}

const tailPatchNotes = [
  "- gradient: 0.03 % of the weights' norm along the negative gradient of the documents' mean loss a token, all parameters; sgd: a learning rate by which random batches move as far on average",
  "- recipe: Muon and Adam as in training, at 1 % of their peak rates; the rankings are those by the patched model's own query gradients",
].join('\n');

export function datamodellingTables({ scores, ...about }: Datamodelling): string[] {
  const rows = Object.entries(scores).flatMap(([gradients, { lds, 'EK-FAC minus': differences }]) =>
    Object.entries(lds).map(([name, byTask]): ReportRow => {
      const { all, ...tasks } = byTask;
      const difference = differences[name]?.all;
      return {
        'query gradients': gradientsOf(name, gradients),
        ranking: name,
        all: interval(all),
        ...cells(tasks, (mean) => mean.mean.toFixed(3)),
        [`EK-FAC (${gradients}) minus it`]: difference ? overHalves(difference) : '',
      };
    }),
  );
  return [
    `### Linear datamodelling score: ${about.halves} random halves, ${about.epochs} epochs (${about.steps} steps) each`,
    ...Object.keys(scores).map((gradients) =>
      markdownTable(rows.filter((row) => `EK-FAC (${gradients}) minus it` in row)),
    ),
    datamodellingNotes(about),
  ];
}

function datamodellingNotes({ noise, spread, loss }: Omit<Datamodelling, 'scores'>): string {
  const deviations = Object.entries(spread).map(([task, { mean, deviation }]) => `${task} ${deviation} of ${mean}`);
  return [
    '- in brackets 95 % by bootstrap over queries; differences: over queries, and over queries and halves together',
    `- noise: models of the same half and other seeds correlate by ${noise.correlation ?? 'unknown'} (Pearson over ${noise.halves} halves and all queries, means of queries taken off)`,
    `- a completion's loss over halves, nats, standard deviation of mean: ${deviations.join(', ')}; the retrained models' loss is ${loss} nats a token`,
  ].join('\n');
}

function cells<T>(values: Record<string, T>, cell: (value: T, name: string) => string): ReportRow {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, cell(value, name)]));
}

const plusMinus = ({ mean, error }: Mean): string => `${mean.toFixed(3)} ± ${error.toFixed(3)}`;
const interval = ({ mean, low, high }: Mean): string => `${signed(mean)} [${signed(low)}, ${signed(high)}]`;
const signed = (value: number): string => value.toFixed(3).replace('-', '−');
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

function overHalves(difference: Mean & { 'low over halves'?: number; 'high over halves'?: number }): string {
  const { 'low over halves': low = Number.NaN, 'high over halves': high = Number.NaN } = difference;
  return `${interval(difference)}, [${signed(low)}, ${signed(high)}]`;
}

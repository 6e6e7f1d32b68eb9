/** Small runs of the whole program: a corpus, queries and a configuration in a folder of their own, on the bundled model. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { onTestFinished } from 'vitest';
import { writeTable } from '../../operators/report/writeTable.ts';
import { readConfiguration } from '../../pipeline/configuration/readConfiguration.ts';
import type { StageHooks } from '../../pipeline/stages/stageHooks.ts';
import { runStage } from '../../pipeline/stages/stages.ts';
import { commandLine } from '../../pipeline/terminal/commandLine.ts';
import type { TableRow } from '../../schemas/operators.ts';

const repository = new URL('../../', import.meta.url).pathname;
export const bundledModel = join(repository, 'datasets/model');

export interface SmallDocument {
  text: string | null;
  id?: string;
  source?: string;
}

export const someDocuments: SmallDocument[] = [
  'The capital of France is Paris. People there speak French.',
  'The chemical symbol for iron is Fe.',
  'Step 1: 3 + 4 = 7. Step 2: 7 * 2 = 14. The answer is 14.',
  'def slope(x1, y1, x2, y2):\n    return (y2 - y1) / (x2 - x1)',
  'Call me Ishmael. Some years ago, never mind how long precisely, I thought I would sail about a little.',
  'Question: What is the capital of Norway? Answer: Oslo.',
  'The slope of the line through (1, 2) and (3, 8) is (8 - 2) / (3 - 1) = 3.',
].map((text, i) => ({
  text,
  id: `d${i}`,
  source: ['facts', 'facts', 'arithmetic', 'code', 'prose', 'questions', 'slope'][i],
}));

export const someQueries = [
  { id: 'france', prompt: 'The capital of France is', completion: ' Paris.', task: 'factual' },
  { id: 'sum', prompt: '3 + 4 =', completion: ' 7.', task: 'arithmetic' },
];

/** A folder inside the repository, so that operators in it may import `headwater/schemas` and `rxjs` as an installed project would. */
export async function smallFolder(): Promise<string> {
  await mkdir(join(repository, '.headwater'), { recursive: true });
  const folder = await mkdtemp(join(repository, '.headwater/test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** Writes the folder's files; `settings` are laid over the configuration, which is YAML, of which JSON is a part. */
export async function writeWorld(
  folder: string,
  settings: Record<string, unknown> = {},
  documents: SmallDocument[] = someDocuments,
  queries: object[] = someQueries,
): Promise<string> {
  const rows = documents.map(({ text, id = 'none', source = '' }): TableRow => ({ text, id, source }));
  await writeTable(join(folder, 'corpus.parquet'), { id: 'string', source: 'string', text: 'string?' }, rows);
  await writeFile(join(folder, 'queries.jsonl'), queries.map((query) => JSON.stringify(query)).join('\n'));
  const configuration = {
    model: bundledModel,
    corpus: { files: ['corpus.parquet'], idColumn: 'id', sourceColumn: 'source' },
    queries: 'queries.jsonl',
    contextTokens: 64,
    preconditioner: { kind: 'identity' },
    projection: { kind: 'random', k: 8 },
    explain: { documents: 0 },
    topK: 3,
    keepScores: true,
    pool: { workers: 1 },
    ...settings,
  };
  const path = join(folder, 'run.yaml');
  await writeFile(path, JSON.stringify(configuration));
  return path;
}

export function quietHooks(signal = new AbortController().signal): StageHooks & { lines: string[] } {
  const lines: string[] = [];
  return {
    signal,
    lines,
    log: (line) => lines.push(line),
    progress: { stage() {}, advance() {}, done() {}, log() {}, stop() {} } as StageHooks['progress'],
  };
}

/** Runs the configuration at `path` in this process, begun again where `hooks` does not say otherwise, and gives the run folder. */
export async function run(
  path: string,
  sets: string[] = [],
  hooks = quietHooks(),
): Promise<{ out: string; summary: string }> {
  const { configuration } = await readConfiguration(path, sets);
  const { summary } = await runStage(configuration, { resume: false, ...hooks });
  return { out: configuration.out, summary };
}

/** Runs the command line and gives its exit code with what it wrote to standard error. */
export async function command(...args: string[]): Promise<{ exitCode: number; stderr: string; stdout: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) =>
    ({
      write(text: string) {
        written[name] += text;
        return true;
      },
    }) as unknown as NodeJS.WriteStream;
  const signals = { on() {}, off() {}, kill() {} };
  const loadStages = () => import('../../pipeline/stages/stages.ts');
  const surroundings = { stdout: stream('stdout'), stderr: stream('stderr'), signals, loadStages };
  return { exitCode: await commandLine(args, surroundings), ...written };
}

export async function readTable(folder: string, name: string): Promise<Record<string, unknown>[]> {
  const file = await asyncBufferFromFile(join(folder, `${name}.parquet`));
  return parquetReadObjects({ file, compressors });
}

export async function readJson(folder: string, name: string) {
  return JSON.parse(await readFile(join(folder, name), 'utf8'));
}

/** Digests of every file but run.json, which holds timings. */
export async function digests(folder: string): Promise<Record<string, string>> {
  // run.json and the report hold the times that the run took.
  const names = (await readdir(folder)).filter((name) => !/^(run|report)\./.test(name)).sort();
  const digest = async (name: string) =>
    createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex');
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await digest(name)])));
}

/**
 * What is known to be true of the bundled world against every ranking of its documents: `npx tsx bench/groundTruth.ts`. Retrieval of the
 * documents that teach what a query asks for, tail-patch (one step of training on the first documents), and the linear datamodelling
 * score (the base model trained again on random halves), for EK-FAC, EK-FAC's cosine, the gradient dot product, BM25 and random orders,
 * with query gradients of the fine-tuned model and of the base. About `--minutes` (60) for the retraining and half an hour for the rest,
 * on one core. What was done is kept in `--folder`, so that it can be stopped. `--only` steps, with commas; `--epochs`, `--workers`, `--json FILE`.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { glob } from 'tinyglobby';
import { benchFolder, benchPaths } from './benchFolder.ts';
import { printGroundTruth } from './groundTruthTables.ts';

const steps = ['rankings', 'retrieval', 'tailPatch', 'retrain', 'datamodelling', 'report'] as const;
const { values: options } = parseArgs({
  options: {
    folder: { type: 'string', default: join(benchFolder, 'groundTruth') },
    only: { type: 'string', default: steps.join(',') },
    minutes: { type: 'string', default: '60' },
    epochs: { type: 'string', default: '4' },
    workers: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});

const root = join(import.meta.dirname, '..');
const datasets = join(root, 'datasets');
/** What is said on the command line over datasets/headwater.yaml. */
const rankings = [
  { name: 'EK-FAC', sets: [] },
  { name: 'gradient dot product', sets: ['preconditioner={kind: identity}', 'projection={kind: exact}'] },
  { name: 'EK-FAC, cosine', sets: ['cosine=true'] },
];

/** Whose query gradients: of the base, as datasets/headwater.yaml has it, and of the model that wrote the completions, as in the paper. */
const queryGradients: [string, string[]][] = [
  ['base', []],
  ['fine-tuned', ['queryModel=./tuned']],
];

const { python } = await benchPaths();
const world = ['corpus/*.parquet', '{model,tuned}/*.{json,safetensors}', 'queries.jsonl'];
const folder = join(options.folder, await fingerprint(world));
const plan = join(folder, 'plan.json');
const result = (step: string) => join(folder, `${step}.json`);
await mkdir(folder, { recursive: true });

const recipe = ['corpus/*.parquet', 'model/tokenizer.json', 'train_model.py'];
const halves = join(options.folder, `halves-${await fingerprint(recipe)}-${options.epochs}-epochs`);
const doing: Record<(typeof steps)[number], () => Promise<void>> = {
  rankings: rankAll,
  retrieval: () => runPython('retrieval.py', plan, result('retrieval')),
  tailPatch: () => runPython('tail_patch.py', plan, result('tailPatch')),
  retrain: () => runPython('retrain_halves.py', halves, '--minutes', options.minutes, '--epochs', options.epochs),
  datamodelling: () => runPython('datamodelling.py', plan, halves, result('datamodelling')),
  report: () =>
    printGroundTruth(
      { retrieval: result('retrieval'), tailPatch: result('tailPatch'), datamodelling: result('datamodelling') },
      options.json,
    ),
};
await writePlan();
for (const step of options.only.split(',')) await doing[step as keyof typeof doing]();

/** Of files of the bundled world, so that nothing stale is used. */
async function fingerprint(patterns: string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of (await glob(patterns, { cwd: datasets })).sort())
    hash.update(file).update(await readFile(join(datasets, file)));
  return hash.digest('hex').slice(0, 8);
}

async function rankAll(): Promise<void> {
  for (const { name, sets } of rankings)
    for (const [gradients, queryModel] of queryGradients) await rank(gradients, name, [...sets, ...queryModel]);
}

/** Runs the program over the bundled world, where that was not done before. */
async function rank(gradients: string, name: string, sets: string[]): Promise<void> {
  const out = runFolder(gradients, name);
  if (await isComplete(out)) return;
  const always = ['keepScores=true', 'explain.documents=0', `cache=${join(options.folder, 'cache')}`];
  const set = [...always, ...sets].flatMap((key) => ['--set', key]);
  const program = join(root, 'pipeline', 'headwater.js');
  const configuration = join(datasets, 'headwater.yaml');
  await run(process.execPath, [
    program,
    'run',
    configuration,
    '--out',
    out,
    '--workers',
    options.workers,
    '--quiet',
    ...set,
  ]);
}

async function isComplete(out: string): Promise<boolean> {
  const file = join(out, 'run.json');
  return existsSync(file) && JSON.parse(await readFile(file, 'utf8')).complete;
}

function runFolder(gradients: string, name: string): string {
  return join(folder, `${name} ${gradients}`.replaceAll(/\W+/g, '-'));
}

/** What the Python scripts read: bench/python/ground_truth/world.py says what stands in it. */
async function writePlan(): Promise<void> {
  const runs = queryGradients.flatMap(([gradients]) =>
    rankings.map(({ name }) => ({ name, gradients, run: runFolder(gradients, name) })),
  );
  await writeFile(plan, JSON.stringify({ datasets, rankings: runs }, null, 2));
}

function runPython(script: string, ...args: string[]): Promise<void> {
  return run(python, [join(import.meta.dirname, 'python', 'ground_truth', script), ...args]);
}

async function run(command: string, args: string[]): Promise<void> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: see above`);
}

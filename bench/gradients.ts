/**
 * The gradient operator beside PyTorch's plain forward + backward on the same tokens of SmolLM2-135M, one thread each:
 * `npx tsx bench/gradients.ts`. Both take turns, batch by batch, so that a machine that slows down slows both. The losses are compared
 * before anything is timed. `--documents N` (8) of each kind, `--k 64,128`, `--json FILE`.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeGradientModel } from '../operators/gradients/gradientModel.ts';
import { readModelFolder } from '../operators/gradients/modelFolder.ts';
import projectGradients from '../operators/gradients/projectGradients.ts';
import { drawProjection } from '../operators/gradients/projections.ts';
import { coverModules } from '../operators/gradients/tappedGraph.ts';
import { loadTokenizer } from '../operators/tokens/loadTokenizer.ts';
import { packWindows } from '../operators/tokens/packWindows.ts';
import type { ProjectedGradients, TokenWindowBatch } from '../schemas/batches.ts';
import { windowBatch } from '../test/windowBatch.ts';
import { benchFolder, benchPaths } from './benchFolder.ts';
import { describeMachine } from './machine.ts';
import { openPyTorch } from './pytorch.ts';
import { readTexts } from './readTexts.ts';
import { median, medianAndRange, printReport, type ReportRow } from './report.ts';

const lossTolerance = 1e-4;
const settings = { modules: ['*.mlp.*'], contextTokens: 512, batchTokens: 512 };
const { values: options } = parseArgs({
  options: {
    documents: { type: 'string', default: '8' },
    k: { type: 'string', default: '64,128' },
    json: { type: 'string' },
  },
});

const paths = await benchPaths();
const tokenizer = await loadTokenizer(paths.model);
const pytorch = await openPyTorch(paths, 1);
const kinds = {
  'full windows': await readBatches(paths.full),
  'mixed lengths': await readBatches(paths.mixed),
};
const rows: ReportRow[] = [];
const raw: Record<string, Turn[]> = {};
for (const k of options.k.split(',').map(Number)) {
  const project = await openOperator(k);
  for (const [kind, batches] of Object.entries(kinds)) {
    await takeTurn(project, batches[0]); // the first call of a shape also makes memory ready
    const turns: Turn[] = [];
    for (const batch of batches) turns.push(await takeTurn(project, batch));
    rows.push(summarise(kind, k, turns));
    raw[`${kind}, k = ${k}`] = turns;
  }
}
await pytorch.close();
await printReport(
  {
    title: 'Gradient operator beside PyTorch, SmolLM2-135M, one thread each',
    machine: describeMachine([pytorch.versions]),
    rows,
    notes: [
      'ours: loss and projected gradients at the 90 MLP layers. PyTorch: plain forward + backward to every parameter, nothing projected',
      'medians over batches of at most 512 padded tokens, the same for both; in brackets lowest and highest; padding is not counted as tokens',
      `before timing, and in every batch, the losses of each document agree to ${lossTolerance}`,
    ],
    raw,
  },
  options.json,
);

type Project = (batch: TokenWindowBatch) => Promise<ProjectedGradients> | ProjectedGradients;

async function openOperator(k: number): Promise<Project> {
  const folder = await readModelFolder(paths.model);
  const { modules } = coverModules(folder, settings);
  const projections = modules.map((module) => drawProjection({ kind: 'random', k, distribution: 'normal' }, 0, module));
  const model = await writeGradientModel(folder, settings, modules, projections, join(benchFolder, 'cache'));
  const facts = { queries: [], tasks: [], topK: 1, seed: 0 };
  return projectGradients.open({ model, threadsPerWorker: 1, prepack: true }, facts);
}

/** Batches of windows as a run would pack them. */
async function readBatches(file: string): Promise<number[][][]> {
  const texts = await readTexts(file, Number(options.documents));
  const ids = texts.map((text) => tokenizer.encode(text).slice(0, settings.contextTokens));
  const { batches } = packWindows(windowBatch(ids.map((window) => ({ ids: window }))).windows, settings.batchTokens);
  return batches.map((chosen) => Array.from(chosen, (w) => ids[w]));
}

interface Turn {
  tokens: number;
  ours: number; // seconds
  theirs: number;
}

/** One batch through both; throws where a loss differs. */
async function takeTurn(project: Project, windows: number[][]): Promise<Turn> {
  const batch = windowBatch(windows.map((ids) => ({ ids })));
  const begun = performance.now();
  const { loss } = await project(batch);
  const ours = (performance.now() - begun) / 1000;
  const theirs = await pytorch.forwardBackward(windows);
  loss.forEach((found, w) => {
    const difference = Math.abs(found - theirs.loss[w]) / theirs.loss[w];
    if (!(difference < lossTolerance))
      throw new Error(`gradients expected PyTorch's loss ${theirs.loss[w]}, got ${found}: nothing was timed`);
  });
  return { tokens: windows.reduce((sum, ids) => sum + ids.length, 0), ours, theirs: theirs.seconds };
}

function summarise(kind: string, k: number, turns: Turn[]): ReportRow {
  const speed = (side: 'ours' | 'theirs') => median(turns.map((turn) => turn.tokens / turn[side])).toFixed(1);
  return {
    documents: kind,
    k,
    batches: turns.length,
    tokens: turns.reduce((sum, { tokens }) => sum + tokens, 0),
    'ours, tokens/s': speed('ours'),
    'PyTorch, tokens/s': speed('theirs'),
    'times as fast': medianAndRange(
      turns.map(({ ours, theirs }) => theirs / ours),
      2,
    ),
  };
}

/** Where the time of a fit goes: its two graphs beside forward and backward alone, on the same window of 512 tokens, one thread. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import accumulateCurvature, { openSums } from '../operators/curvature/accumulateCurvature.ts';
import {
  type CurvatureModel,
  eigenvectorName,
  writeCovarianceModel,
  writeSquaresModel,
} from '../operators/curvature/curvatureModel.ts';
import { sidesOf } from '../operators/curvature/sides.ts';
import { readModelFolder } from '../operators/gradients/modelFolder.ts';
import { coverModules, layOutExtra } from '../operators/gradients/tappedGraph.ts';
import { loadTokenizer } from '../operators/tokens/loadTokenizer.ts';
import { windowBatch } from '../test/windowBatch.ts';
import { type BenchPaths, benchFolder } from './benchFolder.ts';
import { openBase } from './projectionTimes.ts';
import { readTexts } from './readTexts.ts';
import { median, type ReportRow } from './report.ts';

const settings = { contextTokens: 512, batchTokens: 512, labels: 'sampled', blocks: 1 } as const;
const facts = { queries: [], tasks: [], topK: 1, seed: 0 };

/** Rows of seconds a window: forward and backward, what each pass adds to it, and adding up in float64. */
export async function whereFitTimeGoes({ model, full }: BenchPaths, windows: number): Promise<ReportRow[]> {
  const folder = await readModelFolder(model);
  const { modules } = coverModules(folder, { ...settings, modules: ['*.mlp.*'] });
  const sides = sidesOf(modules);
  const cache = join(benchFolder, 'cache');
  await mkdir(cache, { recursive: true });
  const tokenizer = await loadTokenizer(model);
  const ids = (await readTexts(full, windows + 1)).map((text) => tokenizer.encode(text).slice(0, 512));
  const base = await openBase(folder, modules, cache);
  // Time does not depend on the numbers: zeros in place of eigenvectors.
  const widest = new Float32Array(Math.max(...sides.map(({ width }) => width)) ** 2);
  const arrays = new Map(sides.map(({ name, width }) => [eigenvectorName(name, 0), widest.subarray(0, width ** 2)]));
  const covariances = await openPass(await writeCovarianceModel(folder, settings, sides, cache));
  const eigenvectors = layOutExtra('eigenvectors', arrays);
  const squares = await openPass(await writeSquaresModel(folder, settings, modules, eigenvectors, cache));
  const turns: { base: number; covariances: number; squares: number }[] = [];
  for (const window of ids)
    turns.push({ base: await base(window), covariances: await covariances(window), squares: await squares(window) });
  turns.shift(); // the first call makes memory ready
  const seconds = (of: keyof (typeof turns)[number]) => median(turns.map((turn) => turn[of]));
  const row = (what: string, value: number): ReportRow => ({
    what,
    'seconds a window': value.toFixed(2),
    'times forward + backward': (value / seconds('base')).toFixed(2),
  });
  return [
    row('forward + backward to every tracked layer', seconds('base')),
    row('covariances, with forward + backward, labels drawn and sums added', seconds('covariances')),
    row('squared gradients in the eigenbases, the same', seconds('squares')),
  ];
}

async function openPass(model: CurvatureModel): Promise<(ids: number[]) => Promise<number>> {
  const run = await accumulateCurvature.open({ model, threadsPerWorker: 1, prepack: false }, facts);
  const sums = openSums(model.lengths);
  let ticket = 0;
  return async (ids) => {
    const begun = performance.now();
    await run({ part: windowBatch([{ ids }]), ticket: ticket++, sums });
    return (performance.now() - begun) / 1000;
  };
}

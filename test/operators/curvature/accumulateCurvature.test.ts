import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import accumulateCurvature, {
  failSums,
  openSums,
  type SharedSums,
} from '../../../operators/curvature/accumulateCurvature.ts';
import {
  type CurvatureGraphSettings,
  type CurvatureModel,
  eigenvectorName,
  writeCovarianceModel,
  writeSquaresModel,
} from '../../../operators/curvature/curvatureModel.ts';
import { blockBounds, covarianceBlocks, sidesOf, tilesOf } from '../../../operators/curvature/sides.ts';
import { randomNumbers } from '../../../operators/gradients/counterRandom.ts';
import { openSession } from '../../../operators/gradients/onnxSession.ts';
import { feedWindows, maskOf } from '../../../operators/gradients/projectGradients.ts';
import { coverModules, layOutExtra } from '../../../operators/gradients/tappedGraph.ts';
import { writeTapModel } from '../../../operators/queries/projection/tapQueries.ts';
import type { TokenWindowBatch } from '../../../schemas/batches.ts';
import { windowBatch } from '../../windowBatch.ts';
import { difference } from './goldenWorld.ts';
import { randomLlama } from './randomLlama.ts';

const cache = await mkdtemp(join(tmpdir(), 'headwater-accumulate-'));
afterAll(() => rm(cache, { recursive: true }));

const folder = await randomLlama(join(cache, 'model'), 400);
const graph = { contextTokens: 16, batchTokens: 32 };
const { modules } = coverModules(folder, { ...graph, modules: ['*.mlp.*'] });
const sides = sidesOf(modules);
const session = { threadsPerWorker: 1, prepack: false };
const facts = { queries: [], tasks: [], topK: 1, seed: 5 };

const parts = [
  windowBatch([{ ids: [3, 1, 4, 1, 5] }, { ids: [9, 2] }]),
  windowBatch([{ ids: [6, 5, 3, 5, 8, 9, 7, 9] }, { ids: [3, 2, 3] }, { ids: [8, 4, 6, 2] }]),
];

const settingsOf = (blocks: number): CurvatureGraphSettings => ({ ...graph, labels: 'empirical', blocks });

async function summed(model: CurvatureModel, batches: TokenWindowBatch[]): Promise<Float64Array[]> {
  const sums = openSums(model.lengths);
  const accumulate = await accumulateCurvature.open({ model, ...session }, facts);
  for (const [ticket, part] of batches.entries()) await accumulate({ part, ticket, sums });
  return sums.arrays;
}

/** Each document's tokens of each side (T,n), padding left out. */
async function tokenRows(): Promise<Map<string, Float32Array[]>> {
  const open = await openSession(await writeTapModel(folder, graph, modules, cache), session);
  const rows = new Map<string, Float32Array[]>(sides.map(({ name }) => [name, []]));
  for (const { windows } of parts) {
    const { feeds } = feedWindows(windows);
    const length = feeds.ids.dims[1];
    const outputs = await open.run({ ...feeds, mask: maskOf(length, new Map()) });
    for (const [s, { name, width }] of sides.entries())
      for (let w = 0; w < windows.lossFrom.length; w++) {
        const from = w * length * width;
        const own = (windows.start[w + 1] - windows.start[w]) * width;
        rows.get(name)!.push((outputs[`rows_${s}`].data as Float32Array).slice(from, from + own));
      }
  }
  return rows;
}

const rows = await tokenRows();

/** Σ_t x_t x_tᵀ by three loops. */
function covarianceSlowly(name: string, n: number): Float64Array {
  const sum = new Float64Array(n * n);
  for (const document of rows.get(name)!)
    for (let t = 0; t < document.length; t += n)
      for (let r = 0; r < n; r++) for (let c = 0; c < n; c++) sum[r * n + c] += document[t + r] * document[t + c];
  return sum;
}

/** (Q_Sᵀ G Q_A)² of each document, summed, by loops. */
function squaresSlowly(O: number, I: number, delta: Float32Array[], a: Float32Array[], qS: Dense, qA: Dense) {
  const sum = new Float64Array(O * I);
  delta.forEach((rows, d) => {
    const [left, right] = [multiply(rows, O, qS), multiply(a[d], I, qA)];
    const gradient = new Float64Array(O * I);
    for (let t = 0; t < rows.length / O; t++)
      for (let o = 0; o < O; o++) for (let i = 0; i < I; i++) gradient[o * I + i] += left[t * O + o] * right[t * I + i];
    for (let at = 0; at < gradient.length; at++) sum[at] += gradient[at] ** 2;
  });
  return sum;
}

/** Entry (r,c) of an orthogonal or any other matrix. */
type Dense = (r: number, c: number) => number;

function multiply(x: Float32Array, n: number, q: Dense): Float64Array {
  return Float64Array.from(x, (_, at) => {
    const [t, c] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let r = 0; r < n; r++) sum += x[t * n + r] * q(r, c);
    return sum;
  });
}

describe.each([1, 3])('the graphs with %d blocks', (blocks) => {
  it('sum every side’s covariance over all tokens and no padding', async () => {
    const model = await writeCovarianceModel(folder, settingsOf(blocks), sides, cache);
    const arrays = await summed(model, parts);
    expect(Math.max(...sides.map(({ width }) => tilesOf(width, blocks).length))).toBeGreaterThan(1);
    for (const [s, { name, width }] of sides.entries()) {
      const slow = covarianceSlowly(name, width);
      const found = [...covarianceBlocks(arrays[s], width, blocks, 1)];
      blockBounds(width, blocks).forEach(([start, end], b) => {
        const n = end - start;
        const expected = Float64Array.from({ length: n * n }, (_, at) => {
          return slow[(start + Math.floor(at / n)) * width + start + (at % n)];
        });
        expect(difference(found[b].matrix, expected)).toBeLessThan(1e-5);
      });
    }
  });

  it('sum each document’s squared gradient in the eigenbases, tokens summed inside the square', async () => {
    const [module] = modules.filter(({ name }) => name.endsWith('down_proj'));
    // Any matrices will do in place of eigenvectors.
    const bases = sidesOf([module]).map(({ name, width }) => ({
      name,
      blocks: blockBounds(width, blocks).map(([start, end], b) => {
        const values = randomNumbers(0, b + width, (end - start) ** 2, 'normal', 1 / (end - start));
        return { start, end, values };
      }),
    }));
    const arrays = bases.flatMap(({ name, blocks }) =>
      blocks.map(({ values }, b): [string, Float32Array] => [eigenvectorName(name, b), values]),
    );
    const extra = layOutExtra('eigenvectors', new Map(arrays));
    const model = await writeSquaresModel(folder, settingsOf(blocks), [module], extra, cache);
    const [found] = await summed(model, parts);
    const entry =
      (side: number): Dense =>
      (r, c) => {
        const block = bases[side].blocks.find(({ start, end }) => r >= start && r < end)!;
        if (c < block.start || c >= block.end) return 0;
        return block.values[(r - block.start) * (block.end - block.start) + c - block.start];
      };
    const [inputs, outputs] = sidesOf([module]).map(({ name }) => rows.get(name)!);
    const slow = squaresSlowly(module.outputs, module.inputs, outputs, inputs, entry(1), entry(0));
    expect(difference(found, slow)).toBeLessThan(1e-5);
  });
});

describe('the graph without eigenvectors', () => {
  it('sums the squares of the gradients as they are', async () => {
    const model = await writeSquaresModel(folder, settingsOf(1), modules, null, cache);
    const arrays = await summed(model, parts);
    const same: Dense = (r, c) => Number(r === c);
    for (const [m, { name, inputOf, outputs, inputs }] of modules.entries()) {
      const [delta, a] = [rows.get(`${name}.outputs`)!, rows.get(`${inputOf}.inputs`)!];
      expect(difference(arrays[m], squaresSlowly(outputs, inputs, delta, a, same, same))).toBeLessThan(1e-5);
    }
  });
});

describe('accumulateCurvature', () => {
  const model = () => writeCovarianceModel(folder, settingsOf(1), sides.slice(0, 1), cache);
  const onDouble = async (sums: SharedSums, tickets: number[]) => {
    const accumulate = await accumulateCurvature.open({ model: await model(), ...session }, facts);
    return Promise.all(tickets.map((ticket) => accumulate({ part: parts[0], ticket, sums })));
  };

  it('adds its part when the turn is its ticket’s, and passes the turn on', async () => {
    const sums = openSums((await model()).lengths);
    await onDouble(sums, [0]);
    expect(sums.turn[0]).toBe(1);
    const [once] = sums.arrays[0];
    await onDouble(sums, [1]);
    expect(sums.turn[0]).toBe(2);
    expect(sums.arrays[0][0]).toBe(2 * once);
  });

  it('adds nothing once a part before it has failed', async () => {
    const sums = openSums((await model()).lengths);
    failSums(sums);
    await onDouble(sums, [1]);
    expect(sums.arrays[0].every((value) => value === 0)).toBe(true);
  });

  it('sends the parts behind it home where it fails itself', async () => {
    const sums = openSums((await model()).lengths);
    const accumulate = await accumulateCurvature.open({ model: await model(), ...session }, facts);
    const broken = {
      ...parts[0],
      windows: { ...parts[0].windows, ids: Int32Array.from([99, 99, 99, 99, 99, 99, 99]) },
    };
    await expect(accumulate({ part: broken, ticket: 0, sums })).rejects.toThrow();
    await onDouble(sums, [1]);
    expect(sums.arrays[0].every((value) => value === 0)).toBe(true);
  });

  it('draws labels by document and position, whichever documents are together', async () => {
    const sampled = await writeCovarianceModel(folder, { ...settingsOf(1), labels: 'sampled' }, sides, cache);
    const documents = [
      { ids: [3, 1, 4, 1, 5], key: 40 },
      { ids: [9, 2, 6], key: 41 },
    ];
    const batchOf = (chosen: typeof documents) => {
      const batch = windowBatch(chosen);
      return { ...batch, key: Float64Array.from(chosen, ({ key }) => key) };
    };
    const together = await summed(sampled, [batchOf(documents)]);
    const apart = await summed(
      sampled,
      documents.map((one) => batchOf([one])),
    );
    const others = await summed(sampled, [batchOf(documents.map(({ ids, key }) => ({ ids, key: key + 100 })))]);
    const outputs = sides.findIndex(({ name }) => name.endsWith('outputs'));
    expect(difference(together[outputs], apart[outputs])).toBeLessThan(1e-5);
    expect(difference(together[outputs], others[outputs])).toBeGreaterThan(1e-2);
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { openUniform } from '../../../operators/curvature/sampleUniform.ts';
import { randomNumbers } from '../../../operators/gradients/counterRandom.ts';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { openSession } from '../../../operators/gradients/onnxSession.ts';
import { feedWindows, maskOf } from '../../../operators/gradients/projectGradients.ts';
import { coverModules, tapGraph, writeGraph } from '../../../operators/gradients/tappedGraph.ts';
import { windowBatch } from '../../windowBatch.ts';

const folder = await readModelFolder(new URL('../../goldens/gradients/all-biases', import.meta.url).pathname);
const cache = await mkdtemp(join(tmpdir(), 'headwater-tapped-'));
afterAll(() => rm(cache, { recursive: true }));

// Three slices of the head's rows, so that small batches leave some of them empty.
const settings = { modules: ['*'], contextTokens: 32, batchTokens: 300 };
const { modules } = coverModules(folder, settings);
const vocabulary = 64;

/** Opens the graph with each row's loss, the loss's gradient at the last hidden state, and each module's δ as outputs. */
async function openTapped(labels: 'given' | 'sampled'): Promise<InferenceSession> {
  const { graph, taps } = tapGraph(folder, settings, modules, labels);
  const head = graph.nodes.find(({ op }) => op === (labels === 'given' ? 'crossEntropy' : 'sampledCrossEntropy'))!;
  graph.output('losses', head.outputs[0]);
  graph.output('gradients', head.outputs[1]);
  taps.forEach(({ delta }, m) => {
    graph.output(`delta_${m}`, delta);
  });
  const path = await writeGraph(folder, cache, 'test', { labels }, graph);
  return openSession(path, { threadsPerWorker: 1, prepack: true });
}

const [given, sampled] = [await openTapped('given'), await openTapped('sampled')];

/** Windows of one length, so that every row is a token. */
function feedsOf(ids: number[][]) {
  const { feeds } = feedWindows(windowBatch(ids.map((window) => ({ ids: window }))).windows);
  return { rows: ids.length * ids[0].length, feeds: { ...feeds, mask: maskOf(ids[0].length, new Map()) } };
}

const numbersOf = (outputs: InferenceSession.OnnxValueMapType, name: string) => outputs[name].data as Float32Array;

async function drawn(ids: number[][], uniform: Float32Array) {
  const { rows, feeds } = feedsOf(ids);
  const { labels: _, ...rest } = feeds;
  return sampled.run({ ...rest, uniform: new Tensor('float32', uniform, [rows, 1]) });
}

async function withLabels(ids: number[][], labels: number[]) {
  const { rows, feeds } = feedsOf(ids);
  return given.run({ ...feeds, labels: new Tensor('int64', BigInt64Array.from(labels, BigInt), [rows]) });
}

/** (N,V) The model's probabilities, from the losses of every label in turn. */
async function probabilities(ids: number[][]): Promise<Float64Array[]> {
  const rows = ids.length * ids[0].length;
  const table = Array.from({ length: rows }, () => new Float64Array(vocabulary));
  for (let v = 0; v < vocabulary; v++) {
    const losses = numbersOf(await withLabels(ids, new Array<number>(rows).fill(v)), 'losses');
    losses.forEach((loss, n) => {
      table[n][v] = Math.exp(-loss);
    });
  }
  return table;
}

/** The first label whose cumulative probability exceeds u. */
function invert(p: Float64Array, u: number): { label: number; margin: number } {
  let [sum, margin] = [0, 1];
  for (let v = 0; v < vocabulary; v++) {
    sum += p[v];
    margin = Math.min(margin, Math.abs(sum - u));
    if (sum > u) return { label: v, margin };
  }
  return { label: vocabulary - 1, margin };
}

const texts = [
  [3, 14, 15, 9, 26],
  [5, 35, 8, 9, 7],
  [2, 7, 18, 28, 18],
];

function expectClose(found: Float32Array, expected: Float32Array) {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  found.forEach((value, i) => {
    expect(Math.abs(value - expected[i]) / largest).toBeLessThan(1e-5);
  });
}

describe('sampled labels', () => {
  it('are those at which the model’s own distribution is inverted, and give the gradients of those labels', async () => {
    const p = await probabilities(texts);
    const rows = p.length;
    for (let round = 0; round < 8; round++) {
      const uniform = Float32Array.from(
        randomNumbers(round, 1, rows, 'normal', 1),
        (x) => (Math.atan(x) / Math.PI + 0.5) * 0.9999,
      );
      const inverted = p.map((row, n) => invert(row, uniform[n]));
      // Where rounding decides between two labels there is no right one: away from there.
      inverted.forEach(({ margin }, n) => {
        if (margin < 1e-5) uniform[n] += 3e-5;
      });
      const labels = p.map((row, n) => invert(row, uniform[n]).label);
      const [one, other] = [await drawn(texts, uniform), await withLabels(texts, labels)];
      for (const name of ['losses', 'gradients', ...modules.map((_, m) => `delta_${m}`)])
        expectClose(numbersOf(one, name), numbersOf(other, name));
    }
  });

  it('stay within the vocabulary at either end of [0, 1)', async () => {
    const rows = texts.length * texts[0].length;
    const first = await drawn(texts, new Float32Array(rows).fill(0));
    expectClose(numbersOf(first, 'losses'), numbersOf(await withLabels(texts, new Array(rows).fill(0)), 'losses'));
    const greatest = 1 - 2 ** -24;
    expect(Math.fround(greatest)).toBe(0.9999999403953552);
    const last = numbersOf(await drawn(texts, new Float32Array(rows).fill(greatest)), 'losses');
    const tail = await Promise.all([63, 62, 61, 60].map((v) => withLabels(texts, new Array(rows).fill(v))));
    last.forEach((loss, n) => {
      expect(Number.isFinite(loss)).toBe(true);
      const near = tail.map((outputs) => Math.abs(numbersOf(outputs, 'losses')[n] - loss));
      expect(Math.min(...near)).toBeLessThan(1e-5);
    });
  });

  it('follow the softmax: their mean loss is its entropy and their mean gradient 0', async () => {
    const [text] = texts;
    const p = await probabilities([text]);
    const uniform = openUniform(17);
    const draws = 6000;
    const losses = Array.from(text, () => ({ sum: 0, squares: 0 }));
    const gradients = new Float64Array(16 * text.length);
    const squares = new Float64Array(16 * text.length);
    for (let done = 0; done < draws; done += 60) {
      const copies = Array.from({ length: 60 }, () => text);
      const numbers = Float32Array.from({ length: 300 }, (_, i) => uniform(done + Math.floor(i / 5), i % 5));
      const outputs = await drawn(copies, numbers);
      numbersOf(outputs, 'losses').forEach((loss, i) => {
        losses[i % 5].sum += loss;
        losses[i % 5].squares += loss * loss;
      });
      numbersOf(outputs, 'gradients').forEach((value, i) => {
        gradients[i % gradients.length] += value;
        squares[i % squares.length] += value * value;
      });
    }
    losses.forEach(({ sum, squares }, t) => {
      const entropy = p[t].reduce((all, value) => all - value * Math.log(value), 0);
      const deviation = Math.sqrt((squares / draws - (sum / draws) ** 2) / draws);
      expect(Math.abs(sum / draws - entropy) / deviation).toBeLessThan(4);
    });
    gradients.forEach((sum, i) => {
      expect(Math.abs(sum) / Math.sqrt(squares[i])).toBeLessThan(4.5);
    });
  });
});

describe('coverModules', () => {
  it('names the input that layers share after the first of them that is tracked', () => {
    const inputs = (globs: string[]) =>
      Object.fromEntries(
        coverModules(folder, { ...settings, modules: globs }).modules.map(({ name, inputOf }) => [
          name.split('.').at(-1),
          inputOf.split('.').at(-1),
        ]),
      );
    expect(inputs(['*'])).toEqual({
      q_proj: 'q_proj',
      k_proj: 'q_proj',
      v_proj: 'q_proj',
      o_proj: 'o_proj',
      gate_proj: 'gate_proj',
      up_proj: 'gate_proj',
      down_proj: 'down_proj',
    });
    expect(inputs(['*.k_proj', '*.v_proj', '*.up_proj'])).toEqual({
      k_proj: 'k_proj',
      v_proj: 'k_proj',
      up_proj: 'up_proj',
    });
  });
});

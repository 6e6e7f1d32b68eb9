/** The tiny models of the golden curvature as a run of the whole program: their token ids as text, one letter an id. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensorsFile, readDoubles } from '../../../operators/gradients/safetensors.ts';
import { readTable, smallFolder, writeWorld } from '../../pipeline/smallWorld.ts';

const goldens = new URL('../../goldens/', import.meta.url).pathname;

/** As test/goldens/curvature/make.py has it; scores are (Q,N). */
export interface Golden {
  documents: { ids: number[] }[];
  queries: { ids: number[]; lossFrom: number; loss: number }[];
  linears: { name: string; O: number; I: number; bias: boolean }[];
  positions: number;
  scores: Record<'ekfac' | 'kfac' | 'diagonal' | 'identity', number[][]>;
  cosine: Record<'ekfac' | 'identity', number[][]>;
  blocks: Record<'2' | '4', number[][]>;
  sampled: { expected: number[][] };
  /** float64, row-major. */
  array(name: string): Promise<Float64Array>;
}

export const goldenModels = ['mha-untied', 'all-biases'];

export async function readGolden(name: string): Promise<Golden> {
  const folder = join(goldens, 'curvature', name);
  const { tensors } = await openSafetensorsFile(join(folder, 'golden.safetensors'));
  const golden = JSON.parse(await readFile(join(folder, 'golden.json'), 'utf8'));
  return { ...golden, array: (key) => readDoubles(tensors.get(key)!) };
}

/**
 * Writes the golden's documents, each `repeats` times one after the other's turn, and its queries into a folder of their own, with a
 * configuration that every golden is made for but for `settings`. Gives the configuration's path.
 */
export async function goldenWorld(name: string, settings: Record<string, unknown> = {}, repeats = 1): Promise<string> {
  const folder = await smallFolder();
  const { documents, queries } = await readGolden(name);
  const texts = documents.map(({ ids }) => ({ text: textOf(ids) }));
  const corpus = Array.from({ length: repeats }, (_, r) => texts.map((text, d) => ({ ...text, id: `d${d}.${r}` })));
  return writeWorld(
    folder,
    {
      model: await lettersModel(name, folder),
      modules: ['*'],
      contextTokens: 32,
      preconditioner: { kind: 'ekfac' },
      projection: { kind: 'exact' },
      fit: { documents: 100_000, labels: 'empirical' },
      explain: { documents: 0 },
      ...settings,
    },
    corpus.flat(),
    queries.map(({ ids, lossFrom }, q) => ({
      id: `q${q}`,
      prompt: textOf(ids.slice(0, lossFrom)),
      completion: textOf(ids.slice(lossFrom)),
    })),
  );
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function textOf(ids: number[]): string {
  return ids.map((id) => letters[id]).join('');
}

/** The golden model with a tokenizer of which each letter is a token. */
export async function lettersModel(name: string, folder: string): Promise<string> {
  const model = join(folder, name);
  await mkdir(model, { recursive: true });
  for (const file of ['config.json', 'model.safetensors'])
    await copyFile(join(goldens, 'gradients', name, file), join(model, file));
  const vocab = Object.fromEntries([...letters].map((letter, id) => [letter, id]));
  const tokenizer = { version: '1.0', model: { type: 'BPE', vocab, merges: [] } };
  await writeFile(join(model, 'tokenizer.json'), JSON.stringify(tokenizer));
  return model;
}

/** (Q,N) The scores of a run's first `documents` documents. */
export async function scoresOf(out: string, queries: number, documents: number): Promise<number[][]> {
  const rows = await readTable(out, 'scores');
  const scores = Array.from({ length: queries }, () => new Array<number>(documents).fill(Number.NaN));
  for (const { query_id, row, score } of rows)
    if (Number(row) < documents) scores[Number((query_id as string).slice(1))][Number(row)] = score as number;
  return scores;
}

/** max |difference| / max |expected|, as test/goldens/curvature/make.py says. */
export function difference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [most, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    // NaN is the largest of all.
    if (!(Math.abs(found[i] - expected[i]) <= most)) most = Math.abs(found[i] - expected[i]);
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return most / largest;
}

export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const centred = (values: ArrayLike<number>) => {
    const all = Array.from(values);
    return all.map((value) => value - mean(all));
  };
  const [a, b] = [centred(x), centred(y)];
  const dot = (u: number[], v: number[]) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

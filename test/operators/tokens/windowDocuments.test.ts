import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../../operators/tokens/loadTokenizer.ts';
import windowDocuments, { type WindowSettings } from '../../../operators/tokens/windowDocuments.ts';
import type { DocumentBatch, TokenWindowBatch } from '../../../schemas/batches.ts';

const golden = (kind: string) => fileURLToPath(new URL(`../../goldens/tokens/${kind}`, import.meta.url));
const facts = { queries: [], tasks: [], topK: 1, seed: 0 };
const plain = golden('smollm2');
const withBos = golden('llama3');

function batchOf(text: string[]): DocumentBatch {
  const B = text.length;
  return {
    batch: 7,
    key: Float64Array.from({ length: B }, (_, b) => 100 + b),
    file: new Uint32Array(B).fill(2),
    row: Float64Array.from({ length: B }, (_, b) => 10 + b),
    id: text.map((_, b) => `d${b}`),
    source: text.map((_, b) => `s${b}`),
    setAside: [{ key: 99, file: 2, row: 9, id: 'earlier', reason: 'null text', detail: '' }],
    extra: { length: Float64Array.from(text, (each) => each.length) },
    text,
  };
}

async function windowed(text: string[], settings: Partial<WindowSettings> = {}): Promise<TokenWindowBatch> {
  const all: WindowSettings = { tokenizerFolder: plain, contextTokens: 16, longDocuments: 'cut', ...settings };
  const map = await windowDocuments.open(all, facts);
  return map(batchOf(text));
}

function windowsOf({ windows }: TokenWindowBatch): number[][] {
  return Array.from(windows.document, (_, w) => [...windows.ids.subarray(windows.start[w], windows.start[w + 1])]);
}

const long = 'The slope of the line through (1, 2) and (3, 8) is 3. '.repeat(20);

describe('windowDocuments', () => {
  test('makes one window a document, of the ids the tokenizer gives, special tokens first', async () => {
    const { encode } = await loadTokenizer(withBos);
    const batch = await windowed(['Hello world', 'The fox'], { tokenizerFolder: withBos });
    expect(windowsOf(batch)).toEqual([encode('Hello world'), encode('The fox')]);
    expect(windowsOf(batch)[0][0]).toBe(0);
    expect([...batch.windows.document]).toEqual([0, 1]);
    expect([...batch.windows.lossFrom]).toEqual([1, 1]);
  });

  test('cuts a long document to the context', async () => {
    const { encode } = await loadTokenizer(withBos);
    for (const contextTokens of [2, 16, 100])
      expect(windowsOf(await windowed([long], { tokenizerFolder: withBos, contextTokens }))).toEqual([
        encode(long).slice(0, contextTokens),
      ]);
  });

  test('splits a long document into windows that join to the whole', async () => {
    const { encode } = await loadTokenizer(withBos);
    const ids = encode(long);
    const batch = await windowed(['The fox', long], { tokenizerFolder: withBos, longDocuments: 'split' });
    const windows = windowsOf(batch);
    expect(windows.slice(1).flat()).toEqual(ids.length % 16 === 1 ? ids.slice(0, -1) : ids);
    expect(windows.slice(1, -1).every((window) => window.length === 16)).toBe(true);
    expect([...batch.windows.document]).toEqual([0, ...windows.slice(1).map(() => 1)]);
    expect(batch.windows.lossFrom.every((from) => from === 1)).toBe(true);
  });

  test('drops a last window of one token, which has no label', async () => {
    const { encode } = await loadTokenizer(plain);
    const n = encode(long).length;
    const batch = await windowed([long], { longDocuments: 'split', contextTokens: n - 1 });
    expect(windowsOf(batch)).toEqual([encode(long).slice(0, n - 1)]);
    const exact = await windowed([long], { longDocuments: 'split', contextTokens: n - 2 });
    expect(windowsOf(exact).map((window) => window.length)).toEqual([n - 2, 2]);
  });

  test('sets documents of fewer than two tokens aside and keeps the columns of the rest', async () => {
    const batch = await windowed(['a', 'Hello world', '', 'The fox']);
    expect(batch.setAside.map(({ id, reason }) => [id, reason])).toEqual([
      ['earlier', 'null text'],
      ['d0', 'one token'],
      ['d2', 'one token'],
    ]);
    expect(batch.setAside[1]).toMatchObject({ key: 100, file: 2, row: 10, detail: '1 of the 2 tokens it takes' });
    expect(batch).toMatchObject({ batch: 7, id: ['d1', 'd3'], source: ['s1', 's3'] });
    expect([...batch.key]).toEqual([101, 103]);
    expect(batch.extra.length).toEqual(Float64Array.of(11, 7));
    expect([...batch.windows.document]).toEqual([0, 1]);
    expect(batch).not.toHaveProperty('text');
  });

  test('counts the special token: one letter after it can be predicted', async () => {
    const batch = await windowed(['a'], { tokenizerFolder: withBos });
    expect(batch.id).toEqual(['d0']);
    expect(batch.windows.ids.length).toBe(2);
  });

  test('gives an empty batch when every document is set aside', async () => {
    const batch = await windowed(['a', '']);
    expect(batch.id).toEqual([]);
    expect([...batch.windows.start]).toEqual([0]);
    expect(batch.setAside.length).toBe(3);
  });

  test('takes a document of 10 MB in bounded memory, cut or split', { timeout: 120_000 }, async () => {
    const line = `The fox: ${'今天天气很好'.repeat(6)} `;
    const huge = line.repeat(Math.ceil(10e6 / Buffer.byteLength(line)));
    const settings = { tokenizerFolder: withBos, contextTokens: 512 };
    const [cut] = windowsOf(await windowed([huge], settings));
    const { encode } = await loadTokenizer(withBos);
    expect(cut).toEqual(encode(line.repeat(50)).slice(0, 512));
    const before = process.memoryUsage().rss;
    const split = await windowed([huge], { ...settings, longDocuments: 'split' });
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20);
    expect(split.windows.ids.length).toBeGreaterThan(1e6);
    expect([...split.windows.ids.subarray(0, 512)]).toEqual(cut);
  });

  test('names the tokenizer that is missing', async () => {
    await expect(windowed(['x'], { tokenizerFolder: golden('absent') })).rejects.toThrow(
      /expected tokenizer\.json in .*absent/,
    );
  });
});

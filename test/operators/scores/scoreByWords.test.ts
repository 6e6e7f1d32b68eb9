import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchedBatch } from '../../../operators/documents/fetchedBatch.ts';
import { type Bm25Settings, openBm25, writeBm25Settings } from '../../../operators/scores/bm25.ts';
import scoreByWords from '../../../operators/scores/scoreByWords.ts';

const settings: Bm25Settings = {
  queries: 2,
  meanWords: 3,
  words: [
    { word: 'paris', idf: 1.5, queries: [0] },
    { word: 'the', idf: 0.1, queries: [0, 1] },
  ],
};
const facts = { queries: ['a', 'b'], tasks: ['', ''], topK: 1, seed: 0 };
const texts = ['The capital is Paris', 'the the', 'none'];

let folder: string;
let path: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headwater-words-'));
  path = join(folder, 'words.json');
  await writeBm25Settings(path, settings);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('scoreByWords', () => {
  test('gives each document its BM25 for every query, and leaves the other columns as they are', async () => {
    const batch = fetchedBatch(7, new Map(texts.map((text, key) => [key, { id: `d${key}`, text }])));
    const copy = structuredClone(batch);
    const scored = await (await scoreByWords.open({ path }, facts))(batch);
    expect(scored).toEqual({
      ...copy,
      bm25: Float64Array.from(texts.flatMap((text) => [...openBm25(settings)(text)])),
    });
    expect(batch).toEqual(copy);
    expect([...scored.bm25!.subarray(4)]).toEqual([0, 0]);
  });

  test('gives an empty batch no scores', async () => {
    const scored = await (await scoreByWords.open({ path }, facts))(fetchedBatch(0, new Map()));
    expect(scored.bm25).toEqual(new Float64Array(0));
  });

  test('refuses statistics made for another number of queries', async () => {
    await expect(async () => scoreByWords.open({ path }, { ...facts, queries: ['a'] })).rejects.toThrow(
      `expected statistics for 1 queries in ${path}, got 2`,
    );
  });
});

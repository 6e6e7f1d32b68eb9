import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchedBatch } from '../../../operators/documents/fetchedBatch.ts';
import { splitWords } from '../../../operators/documents/splitWords.ts';
import wordStatistics, { emptyStatistics } from '../../../operators/documents/wordStatistics.ts';
import { lexicalQueries } from '../../../operators/queries/lexicalQueries.ts';
import {
  type Bm25Settings,
  bm25Settings,
  hasBm25Settings,
  openBm25,
  readBm25Settings,
  writeBm25Settings,
} from '../../../operators/scores/bm25.ts';
import { InputError } from '../../../schemas/errors.ts';
import { lawFacts } from '../accumulators/foldLaws.ts';

type Asked = { prompt: string; completion: string };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headwater-bm25-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function settingsFor(queries: Asked[], texts: string[]): Promise<Bm25Settings> {
  const lexical = lexicalQueries(queries);
  const count = await wordStatistics.open({ words: lexical.words }, lawFacts);
  return bm25Settings(lexical, await count(fetchedBatch(0, new Map(texts.map((text, i) => [i, { id: '', text }])))));
}

/** The slow, obvious version: BM25 from its definition, for one query and one document. */
function plainBm25({ prompt, completion }: Asked, text: string, texts: string[]): number {
  const words = splitWords(text);
  const mean = texts.flatMap(splitWords).length / texts.length;
  let score = 0;
  for (const word of new Set(splitWords(`${prompt} ${completion}`))) {
    const df = texts.filter((other) => splitWords(other).includes(word)).length;
    const idf = Math.log(1 + (texts.length - df + 0.5) / (df + 0.5));
    const tf = words.filter((other) => other === word).length;
    if (tf > 0) score += (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * words.length) / mean));
  }
  return score;
}

const drawnText = fc
  .array(fc.constantFrom('a', 'B', 'b', 'c', '7', 'slope', '.', '__proto__'), { maxLength: 15 })
  .map((words) => words.join(' '));
const drawnQuery = fc.record({ prompt: drawnText, completion: drawnText });

describe('openBm25', () => {
  test('gives what Python gives that writes BM25 out plainly', async () => {
    const path = new URL('../../goldens/bm25/golden.json', import.meta.url);
    const golden = JSON.parse(readFileSync(path, 'utf8')) as {
      documents: string[];
      queries: Asked[];
      scores: number[][];
    };
    const bm25 = openBm25(await settingsFor(golden.queries, golden.documents));
    for (const [d, text] of golden.documents.entries())
      for (const [q, score] of bm25(text).entries()) expect(score, `${text} ${q}`).toBeCloseTo(golden.scores[d][q], 12);
  });

  test('agrees with the definition on random texts', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(drawnQuery, { minLength: 1, maxLength: 4 }),
        fc.array(drawnText, { minLength: 1, maxLength: 12 }),
        async (queries, texts) => {
          const bm25 = openBm25(await settingsFor(queries, texts));
          for (const text of texts)
            for (const [q, score] of bm25(text).entries())
              expect(score).toBeCloseTo(plainBm25(queries[q], text, texts), 10);
        },
      ),
    ));

  test('is 0 for a query that shares no word, and above 0 even for a word that every document holds', async () => {
    const texts = ['the same', 'the other'];
    const bm25 = openBm25(await settingsFor([{ prompt: 'none', completion: '' }, { prompt: 'the', completion: '' }], texts)); // biome-ignore format: one line
    expect(bm25(texts[0])[0]).toBe(0);
    expect(bm25(texts[0])[1]).toBeGreaterThan(0);
  });

  test('scores a text of the corpus and one from elsewhere, and bears a corpus without words', async () => {
    const bm25 = openBm25(await settingsFor([{ prompt: 'a', completion: '' }], ['?', '']));
    expect([...bm25('')]).toEqual([0]);
    expect(bm25('a b')[0]).toBeGreaterThan(0);
  });

  test('counts the whole text, not its beginning alone', async () => {
    const long = `${'word '.repeat(20_000)}needle`;
    const bm25 = openBm25(await settingsFor([{ prompt: 'needle', completion: '' }], [long, 'hay']));
    expect(bm25(long)[0]).toBeGreaterThan(0);
  });
});

describe('the settings of BM25', () => {
  test('come back from their file as they went in', async () => {
    const settings = await settingsFor([{ prompt: 'a "b" é', completion: ' __proto__' }], ['a b', 'é é', '']);
    const path = join(folder, 'words.json');
    await writeBm25Settings(path, settings);
    expect(await readBm25Settings(path)).toEqual(settings);
  });

  test('are refused when the file is missing, damaged or another', async () => {
    const missing = join(folder, 'missing.json');
    await expect(readBm25Settings(missing)).rejects.toThrow(InputError);
    await expect(readBm25Settings(missing)).rejects.toThrow(`expected the statistics of words for BM25 in ${missing}`);
    for (const content of ['{"queries": 1,', '[]', 'null', '{"queries": 1}']) {
      const path = join(folder, 'broken.json');
      writeFileSync(path, content);
      await expect(readBm25Settings(path)).rejects.toThrow(/SHA-256.*: remove it and run again/);
    }
  });

  test('are made again where they are missing or damaged, which is said, but not where they are of other words', async () => {
    const settings = await settingsFor([{ prompt: 'a b', completion: '' }], ['a b']);
    const path = join(folder, 'words-0123.json');
    const lines: string[] = [];
    const has = (file: string) => hasBm25Settings(file, (line) => lines.push(line));
    expect(await has(path)).toBe(false);
    await writeBm25Settings(path, settings);
    expect(await has(path)).toBe(true);
    expect(lines).toEqual([]);
    const other = join(folder, 'words-4567.json');
    copyFileSync(path, other);
    await expect(has(other)).rejects.toThrow('it was written as "words-0123.json", for other queries or documents');
    const whole = readFileSync(path);
    writeFileSync(path, whole.with(20, whole[20]! ^ 4));
    expect(await has(path)).toBe(false);
    expect(lines).toEqual([
      expect.stringMatching(/^cache: .*words-0123\.json cannot be used and is made again: it does not end/),
    ]);
  });

  test('are refused when the words were counted for other queries', () => {
    const lexical = lexicalQueries([{ prompt: 'one two', completion: '' }]);
    expect(() => bm25Settings(lexical, emptyStatistics(3))).toThrow(
      "bm25Settings expected counts of the queries' 2 words, got 3: they were counted for other queries",
    );
  });
});

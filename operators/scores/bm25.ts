/** BM25 of a text for every query: how much of a query's words a document holds, the rarer and the more often the better. */
import { basename } from 'node:path';
import { InputError, IntegrityError } from '../../schemas/errors.ts';
import { splitWords } from '../documents/splitWords.ts';
import type { WordStatistics } from '../documents/wordStatistics.ts';
import { DamagedFile, orMadeAgain, type Say } from '../files/damagedFile.ts';
import { readSealedJson, writeSealedJson } from '../files/sealedJson.ts';
import type { LexicalQueries } from '../queries/lexicalQueries.ts';

/** How soon further occurrences of a word stop counting, and how much a document's length counts (Robertson and Zaragoza 2009). */
export const bm25Constants = { k1: 1.2, b: 0.75 };

/** What scoring a text takes: plain data, and the content of a settings file. */
export interface Bm25Settings {
  queries: number;
  /** Of a document of the corpus, in words. */
  meanWords: number;
  words: { word: string; idf: number; queries: number[] }[];
}

/** (Q) The scores of one text. */
export type Bm25 = (text: string) => Float64Array;

/** idf = ln(1 + (N - df + 0.5) / (df + 0.5)), which is above 0 for every word. */
export function bm25Settings(lexical: LexicalQueries, statistics: WordStatistics): Bm25Settings {
  const { documents: N, words, documentFrequency } = statistics;
  if (documentFrequency.length !== lexical.words.length)
    throw new Error(
      `bm25Settings expected counts of the queries' ${lexical.words.length} words, got ${documentFrequency.length}: they were counted for other queries`,
    );
  return {
    queries: lexical.queries,
    meanWords: N > 0 ? words / N : 0,
    words: lexical.words.map((word, i) => {
      const df = documentFrequency[i];
      return { word, idf: Math.log1p((N - df + 0.5) / (df + 0.5)), queries: lexical.queriesOf[i] };
    }),
  };
}

/**
 * Σ over the query's words of idf · tf (k1 + 1) / (tf + k1 (1 - b + b · words / meanWords)), over the *whole* text, not its first window
 * alone. Linear in the words of the text. Summed in the order of the settings' words, so that equal texts score equal bits.
 */
export function openBm25({ queries, meanWords, words: sought }: Bm25Settings): Bm25 {
  const placeOf = new Map(sought.map(({ word }, place) => [word, place]));
  const { k1, b } = bm25Constants;
  return (text) => {
    const scores = new Float64Array(queries);
    const words = splitWords(text);
    const weight = k1 * (1 - b + (b * words.length) / (meanWords || 1));
    for (const [place, tf] of frequencies(words, placeOf)) {
      const { idf, queries: holders } = sought[place];
      const part = (idf * tf * (k1 + 1)) / (tf + weight);
      for (const q of holders) scores[q] += part;
    }
    return scores;
  };
}

/** How often each sought word stands among `words`, in the order of their places. */
function frequencies(words: string[], placeOf: ReadonlyMap<string, number>): [number, number][] {
  const counts = new Map<number, number>();
  for (const word of words) {
    const place = placeOf.get(word);
    if (place !== undefined) counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return [...counts].sort(([one], [other]) => one - other);
}

/** Writes what `scoreByWords` reads, with the name it is given. Throws ResourceError when the disk or the rights do not suffice. */
export async function writeBm25Settings(path: string, { queries, meanWords, words }: Bm25Settings): Promise<void> {
  const fields = { name: basename(path), queries, meanWords, words };
  await writeSealedJson(
    path,
    Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]),
  );
}

/**
 * Whether the file is there, its content checked: a damaged one is said, and counts as missing. Throws IntegrityError where it was
 * written under another name, which tells what was counted.
 */
export async function hasBm25Settings(path: string, say: Say): Promise<boolean> {
  return (await orMadeAgain(() => openBm25Settings(path), say)) !== null;
}

/** Throws InputError when the file is missing or damaged, IntegrityError when it was written under another name. */
export async function readBm25Settings(path: string): Promise<Bm25Settings> {
  return openBm25Settings(path).catch((cause) => {
    throw cause instanceof DamagedFile ? new InputError(refusal(path, cause.reason), { cause }) : cause;
  });
}

async function openBm25Settings(path: string): Promise<Bm25Settings> {
  const { name, queries, meanWords, words } = await readSealedJson(path);
  if (name === basename(path)) return { queries, meanWords, words } as Bm25Settings;
  throw new IntegrityError(refusal(path, `it was written as ${JSON.stringify(name)}, for other queries or documents`));
}

function refusal(path: string, reason: string): string {
  return `expected the statistics of words for BM25 in ${path}, and ${reason}: remove it and run again`;
}

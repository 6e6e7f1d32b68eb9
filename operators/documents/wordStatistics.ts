/** Counts, in one slice of the corpus, what BM25 must know of it: documents, words, and documents that hold each word of the queries. */
import type { DocumentBatch } from '../../schemas/batches.ts';
import type { JobOperator } from '../../schemas/operators.ts';
import { splitWords } from './splitWords.ts';

export interface WordStatisticsSettings {
  /** The words of the queries, as `lexicalQueries` gives them. */
  words: string[];
}

/** Integers, so that parts add up to the same whatever they are. */
export interface WordStatistics {
  documents: number;
  /** Words of all documents, each time they stand there. */
  words: number;
  /** For each word of the settings, the documents that hold it. */
  documentFrequency: Float64Array;
}

const wordStatistics: JobOperator<WordStatisticsSettings, DocumentBatch, WordStatistics> = {
  kind: 'job',
  name: 'wordStatistics',
  open: ({ words }) => {
    const placeOf = new Map(words.map((word, place) => [word, place]));
    return ({ text }) => {
      const counts = emptyStatistics(words.length);
      for (const document of text) countDocument(counts, document, placeOf);
      return counts;
    };
  },
};
export default wordStatistics;

/** The statistics of no documents, for so many words of queries. */
export const emptyStatistics = (words: number): WordStatistics => ({
  documents: 0,
  words: 0,
  documentFrequency: new Float64Array(words),
});

/** The statistics of two parts of the corpus together; neither is changed. */
export function mergeStatistics(one: WordStatistics, other: WordStatistics): WordStatistics {
  const [expected, got] = [one.documentFrequency.length, other.documentFrequency.length];
  if (expected !== got) throw new Error(`mergeStatistics expected counts of ${expected} words, got ${got}`);
  return {
    documents: one.documents + other.documents,
    words: one.words + other.words,
    documentFrequency: one.documentFrequency.map((count, place) => count + other.documentFrequency[place]),
  };
}

function countDocument(counts: WordStatistics, text: string, placeOf: ReadonlyMap<string, number>): void {
  const words = splitWords(text);
  const found = new Set<number>();
  for (const word of words) {
    const place = placeOf.get(word);
    if (place !== undefined) found.add(place);
  }
  ++counts.documents;
  counts.words += words.length;
  for (const place of found) ++counts.documentFrequency[place];
}

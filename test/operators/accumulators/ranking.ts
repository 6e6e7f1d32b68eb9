/** Rankings and documents written down for tests. */
import type { RankedDocuments } from '../../../operators/accumulators/rankedHeaps.ts';
import type { CorpusDocument } from '../../../operators/documents/corpusDocument.ts';
import type { Query } from '../../../schemas/queries.ts';

/** The keys of each query's ranking, the best first. */
export function rankingOf(keys: number[][]): RankedDocuments {
  const rows = keys.flatMap((ranked, query) => ranked.map((key, i) => ({ query, rank: i + 1, score: -i, key })));
  return {
    query: Uint32Array.from(rows, ({ query }) => query),
    rank: Uint32Array.from(rows, ({ rank }) => rank),
    score: Float64Array.from(rows, ({ score }) => score),
    key: Float64Array.from(rows, ({ key }) => key),
  };
}

/** Document key k is `texts[k]`. */
export const documentsOf = (texts: string[]): Map<number, CorpusDocument> =>
  new Map(texts.map((text, key) => [key, { id: `d${key}`, source: null, file: 0, row: key, text }]));

export const queryOf = (task: string, answers: string[] = [], steps: string[] = []): Query => ({
  id: task,
  prompt: '',
  completion: '',
  task,
  answers,
  steps,
});

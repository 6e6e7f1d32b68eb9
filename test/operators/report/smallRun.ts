/** A run of three queries over twelve documents, folded for real: what the tables, the lines and the summary are made from. */
import { correlations } from '../../../operators/accumulators/correlations.ts';
import { documentCounts } from '../../../operators/accumulators/documentCounts.ts';
import { repeatedIds } from '../../../operators/accumulators/repeatedIds.ts';
import { sourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import { topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { CorpusDocument } from '../../../operators/documents/corpusDocument.ts';
import type { ScoreBatch, SetAside } from '../../../schemas/batches.ts';
import type { FoldOperator } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';

const query = (id: string, task: string, prompt: string, completion: string, answers: string[] = []): Query => ({
  id,
  task,
  prompt,
  completion,
  answers,
  steps: [],
});

export const queries: Query[] = [
  query('capital', 'facts', 'The capital of France is', ' Paris', ['Paris', 'Paris, France']),
  query('slope', 'arithmetic', 'The slope through (1, 2) and (3, 6) is', ' 2'),
  query('flat', '', 'Anything', ' at all'),
];
export const files = ['corpus/part-0.parquet', 'corpus/part-1.parquet'];
export const topK = 4;
export const facts = { queries: queries.map(({ id }) => id), tasks: queries.map(({ task }) => task), topK, seed: 0 };

/** Document key k stands in file k / 10, row k % 10; document 5 was set aside. */
export const texts = Array.from({ length: 12 }, (_, key) => `Text of document ${key}.`);
export const scoresOf = (key: number): number[] => [key - 4, (key * 7) % 12, 0.25];
export const sourceOf = (key: number): string => (key % 3 === 0 ? 'code' : 'wiki');
const idOf = (key: number): string => `d${key % 10}`;

export const skipped: SetAside[] = [{ key: 5, file: 0, row: 5, id: 'd5', reason: 'one token', detail: '' }];
const keys = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11];

export const batch: ScoreBatch = {
  batch: 0,
  key: Float64Array.from(keys),
  file: Uint32Array.from(keys, (key) => key / 10),
  row: Float64Array.from(keys, (key) => key % 10),
  id: keys.map(idOf),
  source: keys.map(sourceOf),
  setAside: skipped,
  extra: {},
  queries: 3,
  tokens: new Uint32Array(keys.length).fill(10),
  loss: new Float64Array(keys.length).fill(25),
  scores: Float64Array.from(keys.flatMap(scoresOf)),
};

export const documents = new Map<number, CorpusDocument>(
  keys.map((key) => [
    key,
    { id: idOf(key), source: sourceOf(key), file: Math.floor(key / 10), row: key % 10, text: texts[key] },
  ]),
);

export function folded<State, Result>(fold: FoldOperator<State, Result, undefined>): Result {
  const state = fold.empty(undefined, facts);
  fold.add(state, batch);
  return fold.result(state);
}

export const results = () => ({
  queries,
  documents,
  topDocuments: folded(topDocuments),
  correlations: folded(correlations),
  counts: folded(documentCounts),
  repeatedIds: folded(repeatedIds),
  sourceCounts: folded(sourceCounts),
});

/** The words of the queries: what BM25 looks for in the corpus. */
import type { Query } from '../../schemas/queries.ts';
import { splitWords } from '../documents/splitWords.ts';

export interface LexicalQueries {
  /** Q. */
  queries: number;
  /** Every word of any query, once, sorted. */
  words: string[];
  /** For each word, the queries that hold it, ascending. */
  queriesOf: number[][];
}

/** The words of prompt and completion. A word counts once for a query, however often it stands there. */
export function lexicalQueries(queries: readonly Pick<Query, 'prompt' | 'completion'>[]): LexicalQueries {
  const queriesOf = new Map<string, number[]>();
  for (const [q, { prompt, completion }] of queries.entries())
    for (const word of new Set(splitWords(`${prompt}\n${completion}`)))
      queriesOf.set(word, [...(queriesOf.get(word) ?? []), q]);
  const words = [...queriesOf.keys()].sort();
  return { queries: queries.length, words, queriesOf: words.map((word) => queriesOf.get(word)!) };
}

/** Scores every document against every query by BM25, beside its influence: what shared words alone would rank. */
import type { DocumentBatch } from '../../schemas/batches.ts';
import type { MapOperator } from '../../schemas/operators.ts';
import { type Bm25, openBm25, readBm25Settings } from './bm25.ts';

export interface ScoreByWordsSettings {
  /** What `writeBm25Settings` wrote: a path, because settings travel with every task. */
  path: string;
}

const scoreByWords: MapOperator<'documents', 'documents', ScoreByWordsSettings> = {
  kind: 'map',
  name: 'scoreByWords',
  takes: 'documents',
  gives: 'documents',
  lane: 'pool',
  async open({ path }, { queries: { length: Q } }) {
    const settings = await readBm25Settings(path);
    if (settings.queries !== Q)
      throw new Error(`expected statistics for ${Q} queries in ${path}, got ${settings.queries}`);
    const bm25 = openBm25(settings);
    return (batch) => ({ ...batch, bm25: scoreTexts(batch, bm25, Q) });
  },
};
export default scoreByWords;

/** (B,Q) */
function scoreTexts({ text }: DocumentBatch, bm25: Bm25, Q: number): Float64Array {
  const scores = new Float64Array(text.length * Q);
  for (const [b, document] of text.entries()) scores.set(bm25(document), b * Q);
  return scores;
}

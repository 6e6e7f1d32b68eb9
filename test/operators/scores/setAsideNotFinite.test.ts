import { describe, expect, test } from 'vitest';
import { correlations } from '../../../operators/accumulators/correlations.ts';
import { documentCounts } from '../../../operators/accumulators/documentCounts.ts';
import { topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import { expectFinite, setAsideNotFinite } from '../../../operators/scores/setAsideNotFinite.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';
import type { FoldOperator } from '../../../schemas/operators.ts';
import { inBatches } from '../accumulators/foldLaws.ts';

const facts = { queries: ['a', 'b'], tasks: [], topK: 2, seed: 0 };
const document = (scores: number[], loss = 1) => ({
  id: `d${scores[0]}`,
  source: 'wiki',
  tokens: 3,
  loss,
  scores,
  extra: { length: scores[0] },
  reason: null,
});
const poisoned = inBatches(
  [document([1, 2]), document([2, Number.NaN]), document([3, 1]), document([-Infinity, 0]), document([5, 5], Infinity)],
  [5],
)[0];

describe('setAsideNotFinite', () => {
  test('takes out the documents whose loss or any score is not finite, and says which number it was', () => {
    const { setAside, key, id, scores, loss, tokens, extra } = setAsideNotFinite(poisoned);
    expect(setAside.map(({ key, reason, detail }) => [key, reason, detail])).toEqual([
      [1, 'not finite', 'score NaN on query 1'],
      [3, 'not finite', 'score -Infinity on query 0'],
      [4, 'not finite', 'loss Infinity'],
    ]);
    expect([[...key], id, [...scores], [...loss], [...tokens]]).toEqual([
      [0, 2],
      ['d1', 'd3'],
      [1, 2, 3, 1],
      [1, 1],
      [3, 3],
    ]);
    expect(extra).toEqual({ length: Float64Array.of(1, 3) });
  });

  test('hands on a batch that is finite as it is', () => {
    const [finite] = inBatches([document([1, 2])], [1]);
    expect(setAsideNotFinite(finite)).toBe(finite);
  });

  test('leaves heaps and accumulators as if the documents had not been there', () => {
    const clean = { ...setAsideNotFinite(poisoned), setAside: [] };
    const stateOf = <S>(fold: FoldOperator<S>, batch: ScoreBatch) => {
      const state = fold.empty(undefined, facts);
      fold.add(state, batch);
      return state;
    };
    for (const fold of [topDocuments, correlations] as FoldOperator[])
      expect(stateOf(fold, setAsideNotFinite(poisoned))).toEqual(stateOf(fold, clean));
    const counts = stateOf(documentCounts as FoldOperator, setAsideNotFinite(poisoned));
    expect(documentCounts.result(counts as never)).toMatchObject({
      read: 5,
      scored: 2,
      setAside: { 'not finite': 3 },
      loss: 2,
    });
  });
});

describe('expectFinite', () => {
  test('names the first document whose loss or any score is not finite', () => {
    expect(() => expectFinite(poisoned, ['corpus/a.parquet'])).toThrow(
      'document d2 (row 1 of corpus/a.parquet): expected a finite loss and finite scores, got score NaN on query 1: leave the ' +
        'document out, or set corpus.onBadRow: setAside',
    );
  });

  test('hands on a batch that is finite as it is', () => {
    const [finite] = inBatches([document([1, 2])], [1]);
    expect(expectFinite(finite, ['a.parquet'])).toBe(finite);
  });
});

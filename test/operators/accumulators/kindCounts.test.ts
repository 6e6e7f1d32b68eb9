import { describe, expect, test } from 'vitest';
import { kindCounts } from '../../../operators/accumulators/kindCounts.ts';
import { sourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';
import { inBatches, lawFacts } from './foldLaws.ts';

const drawn = { id: '', tokens: 1, loss: 1, scores: [0], reason: null };
const labels = ['code', 'other', '__proto__', 'code', 'mathematics'];
const batches = inBatches(
  labels.map((label) => ({ ...drawn, source: label, extra: { kind: label } })),
  [2],
);

function countsOf(parts: ScoreBatch[], settings?: { limit: number }) {
  const state = kindCounts.empty(settings, lawFacts);
  for (const batch of parts) kindCounts.add(state, batch);
  return kindCounts.result(state);
}

describe('kindCounts', () => {
  test('counts kinds as sourceCounts counts sources', () => {
    const sources = sourceCounts.empty(undefined, lawFacts);
    for (const batch of batches) sourceCounts.add(sources, batch);
    const { sources: counted, ...rest } = sourceCounts.result(sources);
    expect(countsOf(batches)).toEqual({
      ...rest,
      kinds: counted.map(({ source, documents }) => ({ kind: source, documents })),
    });
    expect(countsOf(batches).kinds[0]).toEqual({ kind: 'code', documents: 2 });
  });

  test('counts no kind where documents carry none, or numbers in its place', () => {
    const none = batches.map((batch) => ({ ...batch, extra: {} }));
    const numbers = batches.map((batch) => ({ ...batch, extra: { kind: new Float64Array(batch.key.length) } }));
    for (const parts of [none, numbers])
      expect(countsOf(parts)).toEqual({ documents: 5, kinds: [], givenUp: false, limit: 10_000 });
  });

  test('gives the counts up above the limit', () => {
    expect(countsOf(batches, { limit: 3 })).toEqual({ documents: 5, kinds: [], givenUp: true, limit: 3 });
  });
});

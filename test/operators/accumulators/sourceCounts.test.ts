import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import { drawnBatches, inBatches, lawFacts } from './foldLaws.ts';

const drawn = { id: '', tokens: 1, loss: 1, scores: [0], extra: {}, reason: null };

function countsOf(sources: string[], settings?: { limit: number }) {
  const state = sourceCounts.empty(settings, lawFacts);
  for (const batch of inBatches(
    sources.map((source) => ({ ...drawn, source })),
    [3],
  ))
    sourceCounts.add(state, batch);
  return sourceCounts.result(state);
}

describe('sourceCounts', () => {
  test('counts what a loop over the documents counts', () =>
    fc.assert(
      fc.property(drawnBatches(lawFacts), (batches) => {
        const state = sourceCounts.empty(undefined, lawFacts);
        for (const batch of batches) sourceCounts.add(state, batch);
        const { sources, documents } = sourceCounts.result(state);
        const all = batches.flatMap(({ source }) => source ?? []);
        expect(sources.map(({ source }) => source).sort()).toEqual([...new Set(all)].sort());
        for (const { source, documents } of sources) expect(documents).toBe(all.filter((s) => s === source).length);
        expect(documents).toBe(batches.reduce((sum, { key }) => sum + key.length, 0));
      }),
    ));

  test('puts the source of most documents first, and of equals the first by name', () => {
    const { sources } = countsOf(['wiki', 'code', '', 'wiki', 'books', '__proto__']);
    expect(sources).toEqual([
      { source: 'wiki', documents: 2 },
      { source: '', documents: 1 },
      { source: '__proto__', documents: 1 },
      { source: 'books', documents: 1 },
      { source: 'code', documents: 1 },
    ]);
  });

  test('gives the counts up above 10,000 distinct sources, says so, and still counts documents', () => {
    const names = Array.from({ length: 10_001 }, (_, i) => `source ${i}`);
    const atLimit = countsOf([...names.slice(1), 'source 1']);
    expect(atLimit).toMatchObject({ documents: 10_001, givenUp: false });
    expect(atLimit.sources).toHaveLength(10_000);
    expect(countsOf([...names, 'source 1'])).toEqual({ documents: 10_002, sources: [], givenUp: true, limit: 10_000 });
  });

  test('counts no source where none is configured', () => {
    const state = sourceCounts.empty(undefined, lawFacts);
    for (const batch of inBatches([{ ...drawn, source: '' }], [1], false)) sourceCounts.add(state, batch);
    expect(sourceCounts.result(state)).toEqual({ documents: 1, sources: [], givenUp: false, limit: 10_000 });
  });
});

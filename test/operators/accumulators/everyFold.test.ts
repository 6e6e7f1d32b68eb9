import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Correlations } from '../../../operators/accumulators/correlations.ts';
import type { FoldOperator } from '../../../schemas/operators.ts';
import { type FoldLawOptions, foldLaws } from './foldLaws.ts';

const folder = new URL('../../../operators/accumulators/', import.meta.url);

/** Folds by name of their export: listed from the folder, so that a new one cannot be forgotten. */
const folds = new Map<string, FoldOperator>();
for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
  const module = (await import(new URL(file, folder).href)) as Record<string, Partial<FoldOperator>>;
  for (const [name, exported] of Object.entries(module))
    if (exported?.kind === 'fold') folds.set(name, exported as FoldOperator);
}

/** What a fold needs beyond the common case: a row each. Small limits, so that the drawn corpora reach them. */
const cases: Record<string, FoldLawOptions<never, unknown>[]> = {
  bm25Documents: [
    { bm25: true },
    { title: 'bm25_documents of one', bm25: true, facts: { queries: ['a', 'b'], tasks: ['', ''], topK: 1, seed: 0 } },
    { title: 'bm25_documents without BM25' },
  ],
  correlations: [{ same: sameCorrelations }],
  kindCounts: [
    { extra: { kind: fc.constantFrom('code', 'mathematics', 'other', '__proto__') } },
    { title: 'kind_counts of documents without a kind' },
  ],
  repeatedIds: [
    { title: 'repeated_ids that fit', settings: { capacity: 16 } },
    { title: 'repeated_ids that do not fit', settings: { capacity: 4 } },
  ],
  sourceCounts: [{}, { title: 'source_counts with more sources than the limit', settings: { limit: 3 } }],
  topDocuments: [
    {},
    { title: 'top_documents of one', facts: { queries: ['a', 'b'], tasks: ['', ''], topK: 1, seed: 0 } },
    { title: 'top_documents of more than there are', facts: { queries: ['a'], tasks: [''], topK: 500, seed: 0 } },
  ],
};

for (const [name, fold] of folds) for (const options of cases[name] ?? [{}]) foldLaws(fold, options as never);

test('the folds that the run folder needs are here, each named once', () => {
  const expected = ['correlations', 'documentCounts', 'influenceDistribution', 'repeatedIds', 'sourceCounts', 'topDocuments']; // biome-ignore format: one line
  expect([...folds.keys()].sort()).toEqual(expect.arrayContaining(expected));
  expect(new Set([...folds.values()].map((fold) => fold.name)).size).toBe(folds.size);
});

/** r within 1e-12; and p within what that does to it at worst, which is its square root (n = 3, r near 1). */
function sameCorrelations(got: Correlations, expected: Correlations): void {
  const counts = ({ n, queryA, queryB }: Correlations) => ({ n, queryA, queryB });
  expect(counts(got)).toEqual(counts(expected));
  expected.r.forEach((r, pair) => {
    expect(Number.isNaN(got.r[pair])).toBe(Number.isNaN(r));
    if (Number.isNaN(r)) return;
    expect(Math.abs(got.r[pair] - r)).toBeLessThanOrEqual(1e-12);
    expect(Math.abs(got.p[pair] - expected.p[pair])).toBeLessThanOrEqual(1e-5);
  });
}

import { describe, expect, it } from 'vitest';
import { openFold } from '../../../pipeline/operators/folds.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';
import { InputError } from '../../../schemas/errors.ts';
import type { FoldOperator } from '../../../schemas/operators.ts';

const facts = { queries: [], tasks: [], topK: 1, seed: 0 };
const batch = { batch: 3, scores: Float64Array.of(1, 2) } as ScoreBatch;

/** A fold that sums scores, but for what `change` says. */
const sum = (change: Partial<FoldOperator<{ sum: number }>> = {}) =>
  ({
    kind: 'fold',
    name: 'sum',
    takes: 'scores',
    empty: () => ({ sum: 0 }),
    add(state, { scores }) {
      state.sum += scores.reduce((a, b) => a + b, 0);
    },
    merge(into, from) {
      into.sum += from.sum;
    },
    result: (state) => state.sum,
    ...change,
  }) satisfies FoldOperator<{ sum: number }> as FoldOperator;

describe('openFold', () => {
  it('keeps a running state, into which a later part is merged', () => {
    const fold = openFold(sum(), undefined, facts);
    fold.add(batch);
    fold.merge({ sum: 10 });
    expect(fold.result()).toBe(13);
  });

  it('gives a fold of the user’s own copies, which it may spoil', () => {
    const spoils = sum({
      add(state, { scores }) {
        scores.fill(7);
        state.sum += scores[0];
      },
    });
    const fold = openFold(spoils, undefined, facts, '/own.js');
    fold.add(batch);
    expect(fold.result()).toBe(7);
    expect([...batch.scores]).toEqual([1, 2]);
  });

  const fails = () => {
    throw new Error('full');
  };
  it.each([
    ['to make its empty state', { empty: fails }],
    ['on batch 3', { add: fails }],
    ['to merge two parts', { merge: fails }],
    ['to give its result', { result: fails }],
  ])('names a fold that fails %s', (what, change) => {
    const use = () => {
      const fold = openFold(sum(change), undefined, facts);
      fold.add(batch);
      fold.merge({ sum: 1 });
      fold.result();
    };
    expect(use).toThrow(`fold sum failed ${what}: full`);
    expect(use).toThrow(InputError);
  });

  it('names the file of a fold of the user’s own', () => {
    expect(() => openFold(sum({ add: fails }), undefined, facts, '/own.js').add(batch)).toThrow(
      'fold sum failed on batch 3: full (/own.js)',
    );
  });

  it('refuses a fold that adds later than it says', () => {
    const late = openFold(sum({ add: (async () => {}) as never }), undefined, facts);
    expect(() => late.add(batch)).toThrow(
      'fold sum failed on batch 3: expected add to be done when it returns, got a promise',
    );
  });
});

import { describe, expect, it } from 'vitest';
import { gatherScores } from '../../../operators/scores/gatherScores.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';

function part(key: number[], scores: number[], setAside: ScoreBatch['setAside'] = []): ScoreBatch {
  return {
    batch: 4,
    key: Float64Array.from(key),
    file: new Uint32Array(key.length),
    row: Float64Array.from(key),
    id: key.map(String),
    source: null,
    setAside,
    extra: {},
    queries: 2,
    tokens: Uint32Array.from(key, () => 3),
    loss: Float64Array.from(key, () => 1.5),
    scores: Float64Array.from(scores),
  };
}

describe('gatherScores', () => {
  it('brings rows back into reading order and sums those of a split document', () => {
    const parts = [part([12, 10], [1, 2, 3, 4]), part([11, 12], [5, 6, 10, 20])];
    const whole = gatherScores(part([10, 11, 12], []), parts);
    expect(Array.from(whole.key)).toEqual([10, 11, 12]);
    expect(Array.from(whole.scores)).toEqual([3, 4, 5, 6, 11, 22]);
    expect(Array.from(whole.tokens)).toEqual([3, 3, 6]);
    expect(Array.from(whole.loss)).toEqual([1.5, 1.5, 3]);
  });

  it('leaves out a document that a part set aside', () => {
    const aside = { key: 11, file: 0, row: 11, id: '11', reason: 'operator' as const, detail: 'too odd' };
    const whole = gatherScores(part([10, 11], []), [part([10], [1, 2], [aside])]);
    expect(Array.from(whole.key)).toEqual([10]);
    expect(whole.setAside).toEqual([aside]);
  });

  it('refuses to lose a document without a word', () => {
    expect(() => gatherScores(part([10, 11], []), [part([10], [1, 2])])).toThrow('key 11 is not');
  });
});

import { describe, expect, it } from 'vitest';
import { differingKeys } from '../../../operators/files/differingKeys.ts';
import { canonicalJson } from '../../../schemas/fingerprint.ts';

const wanted = { model: 'aa', seed: 1, projection: { kind: 'random', k: 8 }, factors: null };

describe('differingKeys', () => {
  it('names each key that differs with what was expected and what was found', () => {
    expect(differingKeys(canonicalJson({ ...wanted, model: 'bb', seed: 2 }), wanted)).toBe(
      'model (expected "aa", found "bb"), seed (expected 1, found 2)',
    );
  });

  it('looks inside values, whatever the order of their keys', () => {
    const turned = { factors: null, projection: { k: 8, kind: 'random' }, seed: 1, model: 'aa' };
    expect(differingKeys(JSON.stringify(turned), wanted)).toBe('');
    expect(differingKeys(canonicalJson({ ...wanted, projection: { kind: 'random', k: 9 } }), wanted)).toBe(
      'projection (expected {"k":8,"kind":"random"}, found {"k":9,"kind":"random"})',
    );
  });

  it('shortens what is long', () => {
    const long = { modules: Array.from({ length: 90 }, (_, i) => `model.layers.${i}`) };
    expect(differingKeys('{"modules":[]}', long)).toMatch(/^modules \(expected .{37}…, found \[\]\)$/);
  });

  it.each([undefined, '', 'not JSON', 'null', '[]', '7'])('takes %j for a fingerprint without a key', (found) => {
    expect(differingKeys(found, { seed: 1 })).toBe('seed (expected 1, found nothing)');
  });
});

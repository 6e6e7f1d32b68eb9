import { describe, expect, it } from 'vitest';
import { philox, randomNumbers, streamOf } from '../../../operators/gradients/counterRandom.ts';

/** Known answers of Random123 1.14 (kat_vectors, philox4x32 10 rounds): counter, key, result. */
const known: [number[], number[], number[]][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

describe('philox', () => {
  it.each(known)('encrypts counter %j under key %j to the published words', (counter, key, expected) => {
    const out = new Uint32Array(4);
    philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1], out);
    expect(Array.from(out)).toEqual(expected);
  });
});

describe('randomNumbers', () => {
  it.each(['normal', 'rademacher'] as const)('draws %s numbers of the variance asked for', (distribution) => {
    const values = randomNumbers(7, streamOf('model.layers.0.mlp.up_proj.inputs'), 100_001, distribution, 0.25);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    // Five standard errors.
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(0.25 / values.length));
    expect(Math.abs(variance - 0.25)).toBeLessThan(5 * 0.25 * Math.sqrt(2 / values.length));
  });

  it('gives each element from its index alone, so that a longer draw begins with a shorter one', () => {
    expect(randomNumbers(1, 2, 10, 'normal', 1)).toEqual(randomNumbers(1, 2, 1000, 'normal', 1).subarray(0, 10));
  });

  it('gives other numbers for another seed and for another stream', () => {
    const first = randomNumbers(1, 2, 8, 'normal', 1);
    expect(randomNumbers(2, 2, 8, 'normal', 1)).not.toEqual(first);
    expect(randomNumbers(1, 3, 8, 'normal', 1)).not.toEqual(first);
  });
});

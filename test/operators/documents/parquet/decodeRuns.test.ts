import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRuns } from '../../../../operators/documents/parquet/decodeRuns.ts';

interface Run {
  packed: boolean;
  numbers: number[];
}

/** The slow, obvious encoder: one bit at a time. */
function encode(runs: Run[], width: number): Uint8Array {
  return Uint8Array.from(
    runs.flatMap(({ packed, numbers }) => (packed ? pack(numbers, width) : repeat(numbers, width))),
  );
}

function repeat(numbers: number[], width: number): number[] {
  const value = Array.from({ length: (width + 7) >> 3 }, (_, byte) => (numbers[0] >>> (8 * byte)) & 0xff);
  return [...varint(numbers.length * 2), ...value];
}

function pack(numbers: number[], width: number): number[] {
  const eights = Math.ceil(numbers.length / 8);
  const bytes = new Array(eights * width).fill(0);
  for (const [n, number] of numbers.entries())
    for (let bit = 0; bit < width; bit++)
      if ((number >>> bit) & 1) bytes[(n * width + bit) >> 3] |= 1 << ((n * width + bit) & 7);
  return [...varint(eights * 2 + 1), ...bytes];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

const runsOf = (width: number) => {
  const number = fc.integer({ min: 0, max: 2 ** width - 1 });
  const packed = fc
    .array(number, { minLength: 1, maxLength: 5 })
    .map((few) => Array.from({ length: 8 * few.length }, (_, i) => few[i % few.length]));
  const repeated = fc
    .tuple(number, fc.integer({ min: 1, max: 300 }))
    .map(([value, times]) => new Array(times).fill(value));
  return fc.array(
    fc.oneof(
      packed.map((numbers): Run => ({ packed: true, numbers })),
      repeated.map((numbers): Run => ({ packed: false, numbers })),
    ),
    { maxLength: 8 },
  );
};

describe('decodeRuns', () => {
  it('gives back what was encoded, at every width', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 24 }).chain((width) => fc.tuple(fc.constant(width), runsOf(width))),
        ([width, runs]) => {
          const numbers = runs.flatMap((run) => run.numbers);
          expect([...decodeRuns(encode(runs, width), width, numbers.length)]).toEqual(numbers);
        },
      ),
    );
  });

  it('stops within the padding of the last bit-packed run', () => {
    const bytes = encode([{ packed: true, numbers: [1, 2, 3] }], 2);
    expect([...decodeRuns(bytes, 2, 3)]).toEqual([1, 2, 3]);
  });

  it('refuses a run that claims more numbers than are left', () => {
    const bytes = Uint8Array.from([...varint(2 ** 31 - 2), 1]);
    expect(() => decodeRuns(bytes, 1, 10)).toThrow('a run of 1073741823 numbers where 10 are left');
  });

  it('refuses runs that end too soon, and numbers of absurd width', () => {
    const bytes = encode([{ packed: true, numbers: [1, 2, 3, 4, 5, 6, 7, 8] }], 4);
    expect(() => decodeRuns(bytes.subarray(0, 3), 4, 8)).toThrow('its runs of numbers reach past its end');
    expect(() => decodeRuns(bytes, 4, 9)).toThrow('its runs of numbers reach past its end');
    expect(() => decodeRuns(bytes, 32, 8)).toThrow('numbers of 32 bits where 24 is the most');
  });
});

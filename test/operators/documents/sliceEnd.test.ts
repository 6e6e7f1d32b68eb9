import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sliceEnd } from '../../../operators/documents/sliceEnd.ts';

describe('sliceEnd', () => {
  it('is the next multiple within the file', () => {
    const file = { rowStart: 0, rows: 100 };
    expect([0, 1, 39, 40, 79].map((row) => sliceEnd(file, row, 40))).toEqual([40, 40, 40, 80, 80]);
  });

  it("is the file's end where the corpus passes a multiple in it", () => {
    expect(sliceEnd({ rowStart: 0, rows: 30 }, 0, 40)).toBe(Number.POSITIVE_INFINITY);
    expect(sliceEnd({ rowStart: 30, rows: 30 }, 0, 40)).toBe(30);
    expect(sliceEnd({ rowStart: 60, rows: 15 }, 14, 40)).toBe(Number.POSITIVE_INFINITY);
  });

  it('leaves slices of less than twice as many rows, whatever the lengths of the files', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(90), { maxLength: 20 }), fc.integer({ min: 1, max: 60 }), (lengths, rows) => {
        let rowStart = 0;
        let last = 0;
        for (const length of lengths) {
          const file = { rowStart, rows: length };
          for (let row = 0; row < length; row = sliceEnd(file, row, rows)) {
            const end = Math.min(sliceEnd(file, row, rows), length);
            expect(rowStart + end - last).toBeLessThan(2 * rows);
            if (end === sliceEnd(file, row, rows)) last = rowStart + end;
          }
          rowStart += length;
        }
      }),
    );
  });
});

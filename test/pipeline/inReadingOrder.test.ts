import fc from 'fast-check';
import { from, lastValueFrom, of, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { inReadingOrder } from '../../pipeline/inReadingOrder.ts';

describe('inReadingOrder', () => {
  it('gives any arrival order back as 0, 1, 2 …', async () => {
    const orders = fc.integer({ min: 1, max: 40 }).chain((n) =>
      fc.shuffledSubarray(
        Array.from({ length: n }, (_, batch) => ({ batch })),
        { minLength: n },
      ),
    );
    await fc.assert(
      fc.asyncProperty(orders, async (arrived) => {
        const passed = await lastValueFrom(from(arrived).pipe(inReadingOrder(), toArray()));
        expect(passed.map(({ batch }) => batch)).toEqual(arrived.map((_, i) => i));
      }),
    );
  });

  it('fails when the source ends without a batch', async () => {
    await expect(lastValueFrom(of({ batch: 1 }).pipe(inReadingOrder()))).rejects.toThrow('expected batch 0');
  });
});

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divideRows } from '../../../operators/documents/divideRows.ts';
import { openCorpus } from '../../../operators/documents/openCorpus.ts';
import { sliceEnd } from '../../../operators/documents/sliceEnd.ts';
import { craft, FIXTURES, fixture, settings, tempFolder } from './corpora.ts';

/** 60 000 short texts in one row group, and 20 rows in every other file. */
function unevenFolder(): string {
  const folder = tempFolder({ 'a.parquet': craft({ pages: 3000 }), 'b.parquet': fixture('none') });
  for (let i = 0; i < 30; i++) writeFileSync(path.join(folder, `c${i}.parquet`), fixture('one-page'));
  return folder;
}

describe('divideRows', () => {
  it('gives each range about as many bytes of text', async () => {
    const chosen = settings('*.parquet');
    const corpus = await openCorpus(chosen, unevenFolder());
    const ranges = await divideRows(corpus, chosen, 0, corpus.rows, 4, 64);
    for (const { keyStart, keyEnd } of ranges) expect(keyEnd - keyStart).toBeGreaterThan(14_500);
    expect(ranges.every(({ keyEnd }, n) => n === 3 || keyEnd % 64 === 0)).toBe(true);
  });

  it('weighs a row group by its bytes, not by its rows', async () => {
    const chosen = settings(['dictionary.parquet', 'none.parquet']); // the first is compressed to a third
    const corpus = await openCorpus(chosen, FIXTURES);
    const [{ keyEnd }] = await divideRows(corpus, chosen, 0, 600, 2, 1);
    expect(keyEnd).toBeGreaterThan(350);
    expect(keyEnd).toBeLessThan(450);
  });

  it('divides any range without a gap, at places where slices end, the same way every time', async () => {
    const chosen = settings('*.parquet');
    const corpus = await openCorpus(chosen, unevenFolder());
    const key = fc.oneof(fc.nat(corpus.rows), fc.integer({ min: 59_900, max: corpus.rows }));
    const meets = (key: number, rows: number) =>
      corpus.files.some((file) => {
        const row = key - file.rowStart;
        return row > 0 && row <= file.rows && sliceEnd(file, row - 1, rows) === row;
      });
    await fc.assert(
      fc.asyncProperty(
        key,
        key,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 700 }),
        async (a, b, count, rows) => {
          const [start, end] = [Math.min(a, b), Math.max(a, b)];
          const ranges = await divideRows(corpus, chosen, start, end, count, rows);
          expect(ranges).toHaveLength(count);
          expect([ranges[0].keyStart, ranges[count - 1].keyEnd]).toEqual([start, end]);
          for (const [n, { keyStart, keyEnd }] of ranges.entries()) {
            expect(keyEnd).toBeGreaterThanOrEqual(keyStart);
            if (n > 0) expect(keyStart).toBe(ranges[n - 1].keyEnd);
            if (keyStart !== start && keyStart !== end) expect(meets(keyStart, rows)).toBe(true);
          }
          expect(await divideRows(corpus, chosen, start, end, count, rows)).toEqual(ranges);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('leaves the last ranges empty where there are too few places to meet', async () => {
    const chosen = settings('one-page.parquet');
    const corpus = await openCorpus(chosen, FIXTURES);
    expect(await divideRows(corpus, chosen, 0, 20, 4, 512)).toEqual([
      { keyStart: 0, keyEnd: 20 },
      { keyStart: 20, keyEnd: 20 },
      { keyStart: 20, keyEnd: 20 },
      { keyStart: 20, keyEnd: 20 },
    ]);
    const empty = await openCorpus(settings('no-rows.parquet'), FIXTURES);
    expect(await divideRows(empty, chosen, 0, 0, 2, 512)).toEqual([
      { keyStart: 0, keyEnd: 0 },
      { keyStart: 0, keyEnd: 0 },
    ]);
  });
});

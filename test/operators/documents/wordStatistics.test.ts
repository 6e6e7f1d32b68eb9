import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fetchedBatch } from '../../../operators/documents/fetchedBatch.ts';
import wordStatistics, {
  emptyStatistics,
  mergeStatistics,
  type WordStatistics,
} from '../../../operators/documents/wordStatistics.ts';
import { lawFacts } from '../accumulators/foldLaws.ts';

const sought = ['a', 'b', '7', 'constructor'];

async function statisticsOf(texts: string[]): Promise<WordStatistics> {
  const count = await wordStatistics.open({ words: sought }, lawFacts);
  return count(fetchedBatch(0, new Map(texts.map((text, key) => [key, { id: '', text }]))));
}

const drawnText = fc
  .array(fc.constantFrom('a', 'B', 'c', '7', 'constructor', 'word'), { maxLength: 12 })
  .map((words) => words.join(' '));

describe('wordStatistics', () => {
  test('counts what a plain loop counts', () =>
    fc.assert(
      fc.asyncProperty(fc.array(drawnText), async (texts) => {
        const words = texts.map((text) => text.toLowerCase().split(' ').filter(Boolean));
        expect(await statisticsOf(texts)).toEqual({
          documents: texts.length,
          words: words.flat().length,
          documentFrequency: Float64Array.from(sought, (word) => words.filter((w) => w.includes(word)).length),
        });
      }),
    ));

  test('of any parts add up to those of the whole', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.array(drawnText)), async (parts) => {
        const counted = await Promise.all(parts.map(statisticsOf));
        const merged = counted.reduce(mergeStatistics, emptyStatistics(sought.length));
        expect(merged).toEqual(await statisticsOf(parts.flat()));
      }),
    ));

  test('of other words are refused', () => {
    expect(() => mergeStatistics(emptyStatistics(3), emptyStatistics(4))).toThrow(
      'mergeStatistics expected counts of 3 words, got 4',
    );
  });
});

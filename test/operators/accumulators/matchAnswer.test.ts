import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import matchAnswer, { normalise } from '../../../operators/accumulators/matchAnswer.ts';

const holds = async (text: string, answer: string): Promise<boolean> => {
  const match = await matchAnswer.open(undefined);
  return (await match(text, [answer]))[0];
};

describe('matchAnswer', () => {
  test.each([
    ['so 7-4=3, then', '7 - 4 = 3'],
    ['7 − 4 = 3', '7-4=3'],
    ['7 – 4 = 3.', '7 - 4 = 3'],
    ['(7 - 4) = 3', '7 - 4 = 3'],
    ['7 -4 = 3', '7 - 4 = 3'],
    ['It is 4 × 2 = 8', '4 * 2 = 8'],
    ['8 ÷ 2 = 4', '8/2=4'],
    ['The slope is -3.', '-3'],
    ['y = −3', '-3'],
    ['-3 / 1 = -3', '-3/1=-3'],
    ['through (2, -3)', '-3'],
    ['in 1990–1995', '1995'],
    ['- 3 apples', '3'],
    ['about 1,234,567 people', '1234567'],
    ['costs 3.50', '3.50'],
    ['The answer is 3.', '3'],
    ['slope = (y2 - y1) / (x2 - x1)', '(y2-y1)/(x2-x1)'],
    ['PARIS!', 'Paris'],
    ['**Paris**, France', 'Paris, France'],
    ['the well-known Jean-Luc', 'Jean Luc'],
    ["Newton's law", 'Newton’s law'],
    ['ﬁne STRASSE', 'Straße'],
    ['ΟΔΟΣ', 'οδος'],
    ['e\u0301cole', 'École'],
    ['首都は東京です', '東京'],
    ['New\n\tYork', 'new york'],
  ])('finds in %j the answer %j', async (text, answer) => {
    expect(await holds(text, answer)).toBe(true);
  });

  test.each([
    ['13', '3'],
    ['3.5', '3'],
    ['1,234', '234'],
    ['x3', '3'],
    ['The slope is -3.', '3'],
    ['7 - 4 = 3', '7 + 4 = 3'],
    ['17 - 4 = 3', '7 - 4 = 3'],
    ['7 - 4 = 30', '7 - 4 = 3'],
    ['Parisian', 'Paris'],
    ['Åland', 'land'],
    ['paris of france', 'Paris, France'],
    ['', 'a'],
    ['anything ...', '...'],
    ['anything', ''],
  ])('does not find in %j the answer %j', async (text, answer) => {
    expect(await holds(text, answer)).toBe(false);
  });

  test('answers for each text in its order, the same when asked again', async () => {
    const match = await matchAnswer.open(undefined);
    for (let i = 0; i < 2; i++) expect(await match('one two', ['two', 'three', 'one'])).toEqual([true, false, true]);
  });

  test('finds any run of words of a text and no word that is not there', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('one', 'Two', '3', '44', 'é'), { minLength: 1, maxLength: 20 }),
        fc.nat(19),
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom(' ', ', ', '\n', '; '),
        async (words, start, length, between) => {
          const run = words.slice(start, start + length);
          expect(await holds(words.join(between), run.join(' '))).toBe(run.length > 0);
          expect(await holds(words.join(between), 'on')).toBe(false);
        },
      ),
    ));

  test('takes time linear in the text, whatever it is made of', () => {
    for (const piece of ['1,', '1.', '-', '1 ', ' ', 'a', '=', '1,234', '.1', '\u0301', '東'])
      expect(normalise(piece.repeat(100_000)).length).toBeGreaterThan(0);
  });
});

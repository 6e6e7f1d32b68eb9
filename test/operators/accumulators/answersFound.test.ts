import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answersFound, answerTasks } from '../../../operators/accumulators/answersFound.ts';
import { InputError } from '../../../schemas/errors.ts';
import type { AnswerMatcher } from '../../../schemas/operators.ts';
import { documentsOf, queryOf, rankingOf } from './ranking.ts';

const documents = documentsOf(['Paris is the capital.', '7-4=3 and then 3*8=24', 'nothing', 'the city of PARIS']);
const queries = [
  queryOf('facts', ['Paris', 'Paris, France']),
  queryOf('arithmetic', ['24'], ['7 - 4 = 3', '24 + 1 = 25']),
  queryOf(''),
];
const ranked = rankingOf([[2, 3, 0], [1, 2], [0]]); // biome-ignore format: a row a query

/** Says yes where the text holds the answer letter by letter. */
const verbatim: AnswerMatcher = {
  kind: 'matcher',
  name: 'verbatim',
  open: () => (text, wanted) => wanted.map((answer) => text.includes(answer)),
};
const broken = (open: unknown): AnswerMatcher => ({ kind: 'matcher', name: 'mine', open: open as never });

describe('answersFound', () => {
  test('says of each answer and step at which rank it is first found, in which document, and in how many', async () => {
    const rows = await answersFound(ranked, queries, documents);
    expect(rows).toEqual([
      { query: 0, what: 'answer', text: 'Paris', rank: 2, key: 3, documents: 2, depth: 3 },
      { query: 0, what: 'answer', text: 'Paris, France', rank: null, key: null, documents: 0, depth: 3 },
      { query: 1, what: 'answer', text: '24', rank: 1, key: 1, documents: 1, depth: 2 },
      { query: 1, what: 'step', text: '7 - 4 = 3', rank: 1, key: 1, documents: 1, depth: 2 },
      { query: 1, what: 'step', text: '24 + 1 = 25', rank: null, key: null, documents: 0, depth: 2 },
    ]);
  });

  test('agrees with a loop over every query and its documents', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.uniqueArray(fc.nat(7), { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
        fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 2 }), { maxLength: 3 }),
        async (texts, keys, wanted) => {
          const inCorpus = keys.map((list) => list.filter((key) => key < texts.length));
          const asked = keys.map(() => queryOf('t', wanted));
          const rows = await answersFound(rankingOf(inCorpus), asked, documentsOf(texts), verbatim);
          const expected = inCorpus.flatMap((list, query) =>
            wanted.map((text) => {
              const holding = list.filter((key) => texts[key].includes(text));
              const rank = holding.length > 0 ? list.indexOf(holding[0]) + 1 : null;
              return { query, what: 'answer', text, rank, key: holding[0] ?? null, documents: holding.length, depth: list.length }; // biome-ignore format: one row
            }),
          );
          expect(rows).toEqual(expected);
        },
      ),
    ));

  test('asks a matcher of the user’s once a document, for every text that any query looks for there', async () => {
    const asked: [string, readonly string[]][] = [];
    const spy: AnswerMatcher<{ yes: boolean }> = {
      kind: 'matcher',
      name: 'spy',
      open:
        ({ yes }) =>
        async (text, wanted) => {
          asked.push([text, wanted]);
          return wanted.map(() => yes);
        },
    };
    const both = [queryOf('a', ['x', 'y']), queryOf('b', ['y'], ['z'])];
    const rows = await answersFound(rankingOf([[0], [0, 2]]), both, documents, spy as AnswerMatcher, { yes: true });
    expect(asked).toEqual([
      ['Paris is the capital.', ['x', 'y', 'z']],
      ['nothing', ['y', 'z']],
    ]);
    expect(rows.map(({ documents: held }) => held)).toEqual([1, 1, 2, 2]);
  });

  test.each([
    ['fails to open', () => { throw new Error('no model'); }, 'matcher mine could not be opened: no model'],
    ['opens to nothing', () => undefined, 'matcher mine: expected open to give a function (text, wanted), got undefined'],
    ['throws', () => () => { throw new Error('boom'); }, 'matcher mine failed on document key 2: boom'],
    ['gives too few', () => () => [true], 'matcher mine: expected 5 booleans, one for each text it is asked for, got 1 (document key 2)'],
    ['gives numbers', () => () => [1, 0], 'got number among 2 (document key 2)'],
    ['gives one answer', () => () => true, 'got boolean (document key 2)'],
    ['gives null', () => () => null, 'got null (document key 2)'],
  ])('names a matcher that %s', async (_, open, message) => {
    const failing = answersFound(ranked, queries, documents, broken(open));
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.toThrow(InputError);
  }); // biome-ignore format: a table

  test('is not changed by a matcher that changes what it is given', async () => {
    const greedy = broken(() => (_text: string, wanted: string[]) => wanted.splice(0).map(() => true));
    const rows = await answersFound(rankingOf([[0]]), [queryOf('a', ['x', 'y'])], documents, greedy);
    expect(rows.map(({ text, documents: held }) => [text, held])).toEqual([['x', 1], ['y', 1]]); // biome-ignore format: one line
  });

  test('has no rows for queries without answers and steps, and lists an alias that is given twice once', async () => {
    expect(await answersFound(ranked, [queryOf('a'), queryOf(''), queryOf('c')], documents)).toEqual([]);
    expect(await answersFound(rankingOf([[0]]), [queryOf('a', ['x', 'x'])], documents)).toHaveLength(1);
  });
});

describe('answerTasks', () => {
  test('counts queries by task: answers by any alias, steps by any and by all', async () => {
    const asked = [
      queryOf('sum', ['no', 'one'], ['one', 'two']),
      queryOf('sum', ['no'], ['one', 'three']),
      queryOf('sum', [], ['three']),
      queryOf('fact', ['one']),
      queryOf('', ['one']),
      queryOf('silent'),
    ];
    const found = await answersFound(rankingOf(asked.map(() => [0])), asked, documentsOf(['one two']));
    expect(answerTasks(found, asked)).toEqual([
      { task: 'fact', depth: 1, queries: 1, answersFound: 1, queriesWithSteps: 0, anyStepFound: 0, allStepsFound: 0 },
      { task: 'sum', depth: 1, queries: 2, answersFound: 1, queriesWithSteps: 3, anyStepFound: 2, allStepsFound: 1 },
    ]);
  });
});

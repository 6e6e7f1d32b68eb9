import { describe, expect, it } from 'vitest';
import { answersFound } from '../../../operators/accumulators/answersFound.ts';
import { ownMatcher } from '../../../pipeline/operators/ownMatcher.ts';
import type { AnswerMatcher } from '../../../schemas/operators.ts';

const matcher = (open: unknown): AnswerMatcher => ({ kind: 'matcher', name: 'mine', open }) as AnswerMatcher;

/** What is said of a matcher that is asked for one answer in one document. */
async function asked(own: AnswerMatcher) {
  const ranked = {
    query: Uint32Array.of(0),
    rank: Uint32Array.of(1),
    key: Float64Array.of(2),
    score: Float64Array.of(1),
  };
  const query = { id: 'q', prompt: 'p', completion: 'c', task: '', answers: ['4'], steps: [] };
  const document = { file: 0, row: 2, id: 'd', source: null, text: 'It is 4.', kind: 'other' };
  const documents = new Map([[2, document]]);
  return answersFound(ranked as never, [query] as never, documents as never, ownMatcher(own, '/own.js', 0.05));
}

describe('a matcher of the user’s own', () => {
  it('says what a text holds', async () => {
    const holds = matcher(() => (text: string, wanted: string[]) => wanted.map((answer) => text.includes(answer)));
    expect(await asked(holds)).toMatchObject([{ text: '4', rank: 1 }]);
  });

  it.each([
    [
      'throws',
      () => () => {
        throw new Error('boom');
      },
      'matcher mine (/own.js) failed on document key 2: boom',
    ],
    [
      'never answers',
      () => () => new Promise(() => {}),
      'matcher mine (/own.js) failed on document key 2: it gave nothing within 0.05 s',
    ],
    ['is never open', () => new Promise(() => {}), 'it gave nothing within 0.05 s'],
    [
      'opens to no function',
      () => 42,
      'matcher mine (/own.js): expected open to give a function (text, wanted), got number',
    ],
  ])('that %s is named with its file', async (_name, open, message) => {
    await expect(asked(matcher(open))).rejects.toThrow(message);
  });
});

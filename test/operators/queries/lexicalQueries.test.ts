import { expect, test } from 'vitest';
import { lexicalQueries } from '../../../operators/queries/lexicalQueries.ts';

test('lists every word of prompts and completions once, with the queries that hold it', () => {
  const queries = [
    { prompt: 'What is 7 - 4? 7', completion: ' 3' },
    { prompt: 'IS it', completion: ' __proto__ 7' },
    { prompt: '', completion: '' },
  ];
  expect(lexicalQueries(queries)).toEqual({
    queries: 3,
    words: ['3', '4', '7', 'is', 'it', 'proto', 'what'],
    queriesOf: [[0], [0], [0, 1], [0, 1], [1], [1], [0]],
  });
});

test('gives no words where queries hold none', () => {
  expect(lexicalQueries([{ prompt: '?', completion: ' !' }])).toEqual({ queries: 1, words: [], queriesOf: [] });
});

test('does not join the last word of a prompt to the first of its completion', () => {
  expect(lexicalQueries([{ prompt: 'one', completion: 'two' }]).words).toEqual(['one', 'two']);
});

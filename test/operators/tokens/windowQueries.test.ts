import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../../operators/tokens/loadTokenizer.ts';
import { windowQueries } from '../../../operators/tokens/windowQueries.ts';
import { InputError } from '../../../schemas/errors.ts';
import type { Query } from '../../../schemas/queries.ts';

const load = (kind: string) => loadTokenizer(fileURLToPath(new URL(`../../goldens/tokens/${kind}`, import.meta.url)));
const plain = await load('smollm2');
const withBos = await load('llama3');
const settings = { contextTokens: 64, chatTemplate: false };

function query(prompt: string, completion: string, id = 'q'): Query {
  return { id, prompt, completion, task: '', answers: [], steps: [] };
}

describe('windowQueries', () => {
  test('puts the completion behind the prompt, loss on the completion only', () => {
    const queries = [query('What is 2 + 2?', ' It is 4.', 'sum'), query('The quick', ' brown fox', 'fox')];
    const { windows, id, key } = windowQueries(queries, withBos, settings);
    const prompts = queries.map(({ prompt }) => withBos.encode(prompt));
    const completions = queries.map(({ completion }) => withBos.encodeCompletion(completion));
    expect(id).toEqual(['sum', 'fox']);
    expect([...key]).toEqual([0, 1]);
    expect([...windows.document]).toEqual([0, 1]);
    expect([...windows.lossFrom]).toEqual(prompts.map((ids) => ids.length));
    expect([...windows.ids]).toEqual([...prompts[0], ...completions[0], ...prompts[1], ...completions[1]]);
    expect([...windows.start]).toEqual([0, prompts[0].length + completions[0].length, windows.ids.length]);
  });

  test('takes the tokens that the model wrote as they are, whatever their text would become', () => {
    const written = { ...query('The quick', ' brown fox'), completionIds: [5, 3, 5] };
    const { windows } = windowQueries([written], plain, settings);
    expect([...windows.ids]).toEqual([...plain.encode('The quick'), 5, 3, 5]);
    expect([...windows.lossFrom]).toEqual([plain.encode('The quick').length]);
  });

  test('starts at the second token where nothing stands before the completion', () => {
    const { windows } = windowQueries([query('', 'The quick brown fox')], plain, settings);
    expect([...windows.lossFrom]).toEqual([1]);
    const after = windowQueries([query('', 'The quick brown fox')], withBos, settings);
    expect([...after.windows.lossFrom]).toEqual([1]);
    expect(after.windows.ids.length).toBe(windows.ids.length + 1);
  });

  test('puts no end-of-text token between prompt and completion', () => {
    const ending = { ...withBos, suffix: [1], encode: (text: string) => [...withBos.encode(text), 1] };
    const { windows } = windowQueries([query('The', ' fox')], ending, settings);
    expect([...windows.ids]).not.toContain(1);
  });

  test('sends the prompt through the chat template when asked, without a second beginning of text', () => {
    const chat = { ...withBos, renderChat: (prompt: string) => `<|begin_of_text|>[user] ${prompt} [assistant]` };
    const { windows } = windowQueries([query('Hi', ' Hello')], chat, { ...settings, chatTemplate: true });
    const prompt = withBos.encodeCompletion('<|begin_of_text|>[user] Hi [assistant]');
    expect([...windows.ids]).toEqual([...prompt, ...withBos.encodeCompletion(' Hello')]);
    expect([...windows.lossFrom]).toEqual([prompt.length]);
    expect([...windows.ids].filter((id) => id === 0).length).toBe(1);
  });

  test('refuses a query longer than the context, naming it and both lengths', () => {
    const long = query('The fox '.repeat(60), ' jumps', 'long one');
    const lengths = [withBos.encode(long.prompt).length, withBos.encodeCompletion(long.completion).length];
    expect(() => windowQueries([long], withBos, settings)).toThrow(
      `expected query long one to fit into contextTokens 64, got a prompt of ${lengths[0]} and a completion of ${lengths[1]} tokens`,
    );
    expect(() => windowQueries([long], withBos, settings)).toThrow(InputError);
  });

  test('refuses an empty completion and a lone token, naming the query', () => {
    expect(() => windowQueries([query('The fox', '', 'blank')], plain, settings)).toThrow(
      /expected a completion of at least one token for query blank, got ""/,
    );
    expect(() => windowQueries([query('', 'a', 'lone')], plain, settings)).toThrow(
      /expected a prompt or a second completion token for query lone/,
    );
  });
});

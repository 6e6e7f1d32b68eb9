/** Turns queries into windows of token ids: the prompt, then the completion, whose tokens alone carry loss. */
import type { TokenWindowBatch } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import type { Query } from '../../schemas/queries.ts';
import type { Tokenizer } from './loadTokenizer.ts';

export interface QueryWindowSettings {
  contextTokens: number;
  /** Whether the prompt goes through the tokenizer's chat template; it is taken verbatim otherwise. */
  chatTemplate: boolean;
}

/**
 * One window a query; `key` is the query's place. Loss starts at the completion's first token, or at its second where neither a
 * prompt nor a special token stands before it. Throws InputError for a query without completion tokens or longer than the context.
 */
export function windowQueries(queries: Query[], tokenizer: Tokenizer, settings: QueryWindowSettings): TokenWindowBatch {
  const start = new Uint32Array(queries.length + 1);
  const lossFrom = new Uint32Array(queries.length);
  const ids: number[] = [];
  queries.forEach((query, q) => {
    const { prompt, completion } = idsOf(query, tokenizer, settings);
    ids.push(...prompt, ...completion);
    start[q + 1] = ids.length;
    lossFrom[q] = Math.max(1, prompt.length);
  });
  const places = Float64Array.from(queries.keys());
  return {
    batch: 0,
    key: places,
    file: new Uint32Array(queries.length),
    row: places.slice(),
    id: queries.map(({ id }) => id),
    source: null,
    setAside: [],
    extra: {},
    windows: { document: Uint32Array.from(queries.keys()), start, ids: Int32Array.from(ids), lossFrom },
  };
}

/** The tokens of a query's prompt. */
export function encodePrompt(
  query: Pick<Query, 'prompt'>,
  tokenizer: Tokenizer,
  { chatTemplate }: Pick<QueryWindowSettings, 'chatTemplate'>,
): number[] {
  return chatTemplate ? renderedPrompt(query, tokenizer) : verbatimPrompt(query, tokenizer);
}

function idsOf(query: Query, tokenizer: Tokenizer, settings: QueryWindowSettings) {
  const { contextTokens } = settings;
  const prompt = encodePrompt(query, tokenizer, settings);
  const completion = query.completionIds ?? tokenizer.encodeCompletion(query.completion);
  const length = prompt.length + completion.length;
  if (completion.length === 0)
    throw new InputError(
      `windowQueries expected a completion of at least one token for query ${query.id}, got ` +
        `${JSON.stringify(query.completion)}: give each query the text whose origins are to be traced`,
    );
  if (length < 2)
    throw new InputError(
      `windowQueries expected a prompt or a second completion token for query ${query.id}, got one token in all: ` +
        'nothing stands before it that it could follow from',
    );
  if (length > contextTokens)
    throw new InputError(
      `windowQueries expected query ${query.id} to fit into contextTokens ${contextTokens}, got a prompt of ${prompt.length} ` +
        `and a completion of ${completion.length} tokens: shorten it or raise contextTokens`,
    );
  return { prompt, completion };
}

/** A tokenizer that ends every text with a token ends the completion with none, and the prompt goes on into the completion. */
function verbatimPrompt({ prompt }: Pick<Query, 'prompt'>, tokenizer: Tokenizer): number[] {
  return [...tokenizer.prefix, ...tokenizer.encodeCompletion(prompt)];
}

/** A template writes its special tokens itself. */
function renderedPrompt({ prompt }: Pick<Query, 'prompt'>, tokenizer: Tokenizer): number[] {
  return tokenizer.encodeCompletion(tokenizer.renderChat(prompt));
}

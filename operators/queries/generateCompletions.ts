/** Completes prompts greedily: at each step the likeliest token, until the model ends the text or the room is used up. */
import type { InferenceSession } from 'onnxruntime-node';
import { InputError } from '../../schemas/errors.ts';
import type { JobOperator } from '../../schemas/operators.ts';
import { openSession, type SessionSettings } from '../gradients/onnxSession.ts';
import type { DecodingModel } from './decodingModel.ts';
import { KeyValueCache } from './keyValueCache.ts';

export interface CompletionLimits {
  /** Tokens of a completion at most. */
  maxNewTokens: number;
  /** Tokens of prompt and completion at most. */
  contextTokens: number;
  /** Ids of the tokens that end a text. */
  endOfText: number[];
}

export interface GenerateCompletionsSettings extends SessionSettings, CompletionLimits {
  model: DecodingModel;
}

/** A query's prompt in tokens: at least one, and fewer than the context holds. */
export interface PromptTokens {
  id: string;
  ids: number[];
}

export interface GeneratedTokens {
  id: string;
  /** Without the token that ended the text. */
  ids: number[];
  /** Whether it was cut at a limit before the model ended it. */
  cut: boolean;
}

/** Prompts that are completed side by side, into their completions in the same order; these do not depend on which are together. */
const generateCompletions: JobOperator<GenerateCompletionsSettings, PromptTokens[], GeneratedTokens[]> = {
  kind: 'job',
  name: 'generateCompletions',
  async open(settings) {
    const session = await openSession(settings.model.path, settings);
    return (prompts) => complete(session, settings, prompts);
  },
};
export default generateCompletions;

async function complete(
  session: InferenceSession,
  settings: GenerateCompletionsSettings,
  prompts: PromptTokens[],
): Promise<GeneratedTokens[]> {
  const completions = prompts.map(({ id }): GeneratedTokens => ({ id, ids: [], cut: false }));
  const cache = new KeyValueCache(
    settings.model.cached,
    prompts.map(({ ids }) => ids.length),
  );
  let tokens = prompts.map(({ ids }) => ids);
  for (let open = [...prompts.keys()]; open.length > 0; ) {
    const { logits, ...fresh } = await session.run(cache.feeds(tokens));
    cache.append(fresh);
    const [, vocabulary] = logits.dims;
    const going = open.filter((p, row) => {
      const values = (logits.data as Float32Array).subarray(row * vocabulary, (row + 1) * vocabulary);
      return takeToken(completions[p], likeliest(values, prompts[p].id), prompts[p], settings);
    });
    cache.keep(going.map((p) => open.indexOf(p)));
    tokens = going.map((p) => completions[p].ids.slice(-1));
    open = going;
  }
  return completions;
}

/** Adds the token to the completion; false where it ended the text or was the last there is room for. */
function takeToken(
  completion: GeneratedTokens,
  token: number,
  prompt: PromptTokens,
  limits: CompletionLimits,
): boolean {
  if (limits.endOfText.includes(token)) return false;
  completion.ids.push(token);
  const room = Math.min(limits.maxNewTokens, limits.contextTokens - prompt.ids.length);
  completion.cut = completion.ids.length >= room;
  return !completion.cut;
}

/** The place of the highest value, the lowest place where several share it. Throws InputError where one is not finite. */
export function likeliest(logits: Float32Array, query: string): number {
  let best = 0;
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    sum += logits[token];
    if (logits[token] > logits[best]) best = token;
  }
  if (!Number.isFinite(sum))
    throw new InputError(`query ${query}: expected finite logits, got NaN or Infinity: are the weights sound?`);
  return best;
}

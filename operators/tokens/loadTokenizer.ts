/** Loads a model's own tokenizer from its folder; its ids equal those of the Rust tokenizers that trained the model. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env, PreTrainedTokenizer } from '@huggingface/transformers';
import { InputError } from '../../schemas/errors.ts';
import { alignTokenizer } from './alignTokenizer.ts';

// Everything is read here from files; nothing may ever be fetched.
env.allowRemoteModels = false;

export interface Tokenizer {
  /** SHA-256 of all that ids depend on: tokenizer.json and the chat template. */
  fingerprint: string;
  /** Special tokens that the tokenizer puts before and after a text, such as Llama's <s>. */
  prefix: number[];
  suffix: number[];
  /** Ids of a text with the tokenizer's own special tokens. */
  encode(text: string): number[];
  /** Ids of a text that continues another: no special tokens. */
  encodeCompletion(text: string): number[];
  /** The text of ids, special tokens included. */
  decode(ids: ArrayLike<number>): string;
  /** A prompt as a user's turn followed by the opening of the assistant's. Throws InputError where there is no chat template. */
  renderChat(prompt: string): string;
}

/** Opens tokenizer.json, tokenizer_config.json and chat_template.jinja of `folder`; only the first must be there. */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const file = join(folder, 'tokenizer.json');
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new InputError(
      `loadTokenizer expected tokenizer.json in ${folder}: ${cause.message}. Save the model's fast tokenizer there with save_pretrained`,
      { cause },
    );
  });
  const json = alignTokenizer(parse(text, file), file);
  const configFile = join(folder, 'tokenizer_config.json');
  const config = parse((await readOptional(configFile)) ?? '{}', configFile);
  const template = (await readOptional(join(folder, 'chat_template.jinja'))) ?? templateOf(config);
  const pretrained = construct(json, specialTokensOf(config), file);
  const encode = (text: string, special: boolean) => pretrained.encode(text, { add_special_tokens: special });
  return {
    fingerprint: createHash('sha256')
      .update(JSON.stringify([text, template]))
      .digest('hex'),
    ...surroundings(encode),
    encode: (text) => encode(text, true),
    encodeCompletion: (text) => encode(text, false),
    // transformers.js tidies spaces before punctuation away unless told not to.
    decode: (ids) =>
      ids.length === 0 ? '' : pretrained.decode(Array.from(ids), { clean_up_tokenization_spaces: false }),
    renderChat: (prompt) => renderChat(pretrained, template, prompt, folder),
  };
}

function construct(json: Record<string, unknown>, config: Record<string, unknown>, file: string): PreTrainedTokenizer {
  try {
    return new PreTrainedTokenizer(json, config);
  } catch (cause) {
    throw new InputError(`loadTokenizer could not use ${file}: ${(cause as Error).message}`, { cause });
  }
}

/** The special tokens around a text, from a text whose own ids are known. */
function surroundings(encode: (text: string, special: boolean) => number[]): Pick<Tokenizer, 'prefix' | 'suffix'> {
  const inner = encode('a', false);
  const whole = encode('a', true);
  for (let at = 0; at + inner.length <= whole.length; at++)
    if (inner.every((id, i) => whole[at + i] === id))
      return { prefix: whole.slice(0, at), suffix: whole.slice(at + inner.length) };
  return { prefix: [], suffix: [] };
}

/** Special tokens as texts; a configuration also writes them as {content, …}. */
function specialTokensOf(config: Record<string, unknown>): Record<string, unknown> {
  const tokens = Object.entries(config)
    .filter(([key]) => /^(bos|eos|unk|pad|sep|cls|mask)_token$/.test(key))
    .map(([key, value]) => [key, (value as { content?: string } | null)?.content ?? value]);
  return Object.fromEntries(tokens.filter(([, value]) => typeof value === 'string'));
}

function templateOf(config: Record<string, unknown>): string | null {
  const template = config.chat_template;
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return null;
  return (template as { name: string; template: string }[]).find(({ name }) => name === 'default')?.template ?? null;
}

function renderChat(pretrained: PreTrainedTokenizer, template: string | null, prompt: string, folder: string): string {
  if (template === null)
    throw new InputError(
      `chatTemplate: true expected chat_template.jinja, or "chat_template" in tokenizer_config.json, in ${folder}, found neither: ` +
        'write the prompts as the model expects them and set chatTemplate: false',
    );
  const options = { chat_template: template, add_generation_prompt: true, tokenize: false } as const;
  try {
    return pretrained.apply_chat_template([{ role: 'user', content: prompt }], options) as string;
  } catch (cause) {
    throw new InputError(`chatTemplate: the chat template of ${folder} failed: ${(cause as Error).message}`, { cause });
  }
}

function parse(text: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`loadTokenizer expected JSON in ${file}: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(`loadTokenizer expected a JSON object in ${file}, found ${text.slice(0, 40)}`);
  return value as Record<string, unknown>;
}

/** The file's text, or null where there is none. */
async function readOptional(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new InputError(`loadTokenizer could not read ${file}: ${(cause as Error).message}`, { cause });
  }
}

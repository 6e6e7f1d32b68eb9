/**
 * Rewrites a tokenizer.json so that @huggingface/transformers gives the ids that the Rust tokenizers give: JavaScript's `\s`,
 * `\d` and `\w`, and the splits it knows, are not Rust's. Tokenizers whose ids cannot be made equal are refused.
 */
import { InputError } from '../../schemas/errors.ts';

export type Part = Record<string, unknown> & { type: string };

// Rust's ByteLevel, with the white space of Unicode: JavaScript's \s counts U+FEFF in and leaves U+0085 out.
const GPT2_WORDS = String.raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const PUNCTUATION = String.raw`\p{P}!-\/:-@\[-\x60{-~`;
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200C\u200D`;

/** The letters that stand for bytes in a byte-level vocabulary: printable Latin-1 for itself, the rest from U+0100 on. */
const BYTE_LETTERS = byteLetters();

/** One line a pre-tokenizer: the same in terms of Split, whose patterns transformers.js translates with care. */
const PRE_TOKENIZERS: Record<string, (part: Part) => Part> = {
  Sequence: (part) => ({ ...part, pretokenizers: (part.pretokenizers as Part[]).map(alignPreTokenizer) }),
  ByteLevel: (part) => (part.use_regex === false ? part : byteLevelWords(part)),
  Digits: (part) => split(part.individual_digits ? String.raw`\p{N}` : String.raw`\p{N}+`, 'Isolated'),
  Punctuation: (part) => alignSplit({ ...split(`[${PUNCTUATION}]`, (part.behavior as string) ?? 'Isolated') }),
  Whitespace: () => keep(String.raw`[${WORD}]+|[^${WORD}\p{White_Space}]+`),
  WhitespaceSplit: () => keep(String.raw`\S+`),
  BertPreTokenizer: () => keep(String.raw`[^\p{White_Space}${PUNCTUATION}]+|[${PUNCTUATION}]`),
  Metaspace: alignMetaspace,
  Split: alignSplit,
};

const NORMALIZERS: Record<string, (part: Part) => Part> = {
  Sequence: (part) => ({ ...part, normalizers: (part.normalizers as Part[]).map(alignNormalizer) }),
  Prepend: (part) => part,
  Replace: (part) => part,
  NFC: (part) => part,
  NFD: (part) => part,
  NFKC: (part) => part,
  NFKD: (part) => part,
  StripAccents: (part) => part,
  // Rust lowers letter by letter, JavaScript makes the last Σ of a word a ς.
  Lowercase: (part) => ({ type: 'Sequence', normalizers: [replace('Σ', 'σ'), part] }),
  Strip: (part) => ({
    type: 'Sequence',
    normalizers: [
      ...(part.strip_left ? [replace(String.raw`\A\s+`, '')] : []),
      ...(part.strip_right ? [replace(String.raw`\s+\z`, '')] : []),
    ],
  }),
};

/** The tokenizer.json to give to transformers.js. Throws InputError, naming `file`, for what cannot be computed exactly. */
export function alignTokenizer(tokenizer: Record<string, unknown>, file: string): Record<string, unknown> {
  try {
    refuseModel(tokenizer.model as Part);
    return {
      added_tokens: [],
      decoder: null,
      post_processor: null,
      ...tokenizer,
      normalizer: tokenizer.normalizer ? alignNormalizer(tokenizer.normalizer as Part) : null,
      pre_tokenizer: dropUnknownBytes(
        tokenizer.pre_tokenizer ? alignPreTokenizer(tokenizer.pre_tokenizer as Part) : null,
        tokenizer.model as Part,
      ),
    };
  } catch (cause) {
    if (!(cause instanceof Inexact)) throw cause;
    throw new InputError(
      `loadTokenizer expected ${cause.expected} in ${file}, found ${cause.found}: its ids would not be those the model was ` +
        'trained with. Use a byte-level or byte-fallback BPE tokenizer',
    );
  }
}

/** What the Rust tokenizers compute and transformers.js does not, or otherwise. */
class Inexact extends Error {
  readonly expected: string;
  readonly found: string;
  constructor(expected: string, found: string) {
    super(`${expected}: ${found}`);
    this.expected = expected;
    this.found = found;
  }
}

function alignPreTokenizer(part: Part): Part {
  if (!Object.hasOwn(PRE_TOKENIZERS, part.type))
    throw new Inexact(`a pre-tokenizer among ${Object.keys(PRE_TOKENIZERS).join(', ')}`, part.type);
  return PRE_TOKENIZERS[part.type](part);
}

function alignNormalizer(part: Part): Part {
  if (!Object.hasOwn(NORMALIZERS, part.type))
    throw new Inexact(`a normalizer among ${Object.keys(NORMALIZERS).join(', ')}`, part.type);
  return NORMALIZERS[part.type](part);
}

function refuseModel(model: Part | undefined): void {
  const type = model?.type ?? (model?.merges ? 'BPE' : 'none');
  if (type !== 'BPE') throw new Inexact('a model of type BPE', type);
  if (model?.continuing_subword_prefix)
    throw new Inexact('no continuing_subword_prefix', `${model.continuing_subword_prefix}`);
  if (model?.dropout) throw new Inexact('no dropout', `${model.dropout}`);
}

/**
 * A vocabulary may lack bytes (SmolLM2's lacks 21 of them). Without an unknown token Rust leaves such a byte out
 * before it merges, so that its neighbours may join; transformers.js afterwards.
 */
function dropUnknownBytes(preTokenizer: Part | null, model: Part): Part | null {
  const { vocab = {}, unk_token: unknown } = model as { vocab?: object; unk_token?: unknown };
  const lacking = BYTE_LETTERS.filter((letter) => !Object.hasOwn(vocab, letter));
  if (!preTokenizer || unknown || lacking.length === 0 || !JSON.stringify(preTokenizer).includes('"ByteLevel"'))
    return preTokenizer;
  const codes = lacking.map((letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`);
  return { type: 'Sequence', pretokenizers: [preTokenizer, replace(`[${codes.join('')}]`, '')] };
}

function byteLevelWords(part: Part): Part {
  // A Metaspace of spaces prepends one unless one is there. (V8 matches /^|\A/ inside surrogate pairs: no pattern would do.)
  const prefix: Part[] = part.add_prefix_space
    ? [{ type: 'Metaspace', replacement: ' ', prepend_scheme: 'always', split: false }]
    : [];
  const bytes = { ...part, use_regex: false, add_prefix_space: false };
  return { type: 'Sequence', pretokenizers: [...prefix, split(GPT2_WORDS, 'Isolated'), bytes] };
}

function alignMetaspace(part: Part): Part {
  const scheme = part.prepend_scheme ?? (part.add_prefix_space === false ? 'never' : 'always');
  const metaspace = { ...part, prepend_scheme: scheme };
  if (part.split === false) return metaspace;
  return { type: 'Sequence', pretokenizers: [metaspace, split(`(?=${part.replacement ?? '▁'})`, 'Isolated')] };
}

function alignSplit(part: Part): Part {
  const { Regex: regex, String: text } = part.pattern as { Regex?: string; String?: string };
  const pattern = regex ?? (text ?? '').replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const behavior = part.behavior as string;
  if (behavior === 'Isolated') return split(pattern, 'Isolated');
  if (behavior === 'Removed') return part.invert ? keep(pattern) : split(pattern, 'Removed');
  if (behavior === 'Contiguous' && !part.invert) return split(`(?:${pattern})+`, 'Isolated');
  // A cut of no width beside each match; a match of a literal text is the same from either side.
  if (behavior === 'MergedWithPrevious' && text && !part.invert) return split(`(?<=${pattern})`, 'Isolated');
  if (behavior === 'MergedWithNext' && text && !part.invert) return split(`(?=${pattern})`, 'Isolated');
  throw new Inexact('a Split that is Isolated, Removed or Contiguous', `${part.invert ? 'inverted ' : ''}${behavior}`);
}

function split(pattern: string, behavior: string): Part {
  return { type: 'Split', pattern: { Regex: pattern }, behavior, invert: false };
}

function keep(pattern: string): Part {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Removed', invert: true };
}

function replace(pattern: string, content: string): Part {
  return { type: 'Replace', pattern: { Regex: pattern }, content };
}

function byteLetters(): string[] {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let moved = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : 256 + moved++));
}

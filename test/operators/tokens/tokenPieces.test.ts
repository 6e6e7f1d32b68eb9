import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadTokenizer, type Tokenizer } from '../../../operators/tokens/loadTokenizer.ts';
import { tokenPieces } from '../../../operators/tokens/tokenPieces.ts';

const golden = (kind: string) => fileURLToPath(new URL(`../../goldens/tokens/${kind}`, import.meta.url));
const kinds = ['smollm2', 'prefix-space', 'llama3', 'qwen2', 'llama2', 'metaspace'];

const word = fc.oneof(
  fc.constantFrom(
    'the',
    'slope',
    'of',
    'Быстрая',
    '今天天气',
    '3.14159',
    '😀',
    "don't",
    'x²',
    'été',
    'الثعلب',
    'e\u0301',
    '<s>',
  ),
  fc.stringMatching(/^[a-z]{1,9}$/),
);
const gap = fc.constantFrom(' ', ' ', ' ', '  ', '\n', '.\n\n', ', ', ' (', ') ', '\r\n', '\t', '    ');
const prose = fc
  .array(fc.tuple(word, gap), { minLength: 1, maxLength: 80 })
  .map((parts) => parts.map(([each, space]) => each + space).join(''));

function inPieces(tokenizer: Tokenizer, text: string, pieceCharacters: number): number[] {
  return [...tokenPieces(tokenizer, text, pieceCharacters)].flat();
}

describe('tokenPieces', () => {
  test.each(kinds)('gives the ids of the whole text, for pieces of any size: %s', async (kind) => {
    const tokenizer = await loadTokenizer(golden(kind));
    fc.assert(
      fc.property(prose, fc.integer({ min: 80, max: 300 }), (text, pieceCharacters) => {
        expect(inPieces(tokenizer, text, pieceCharacters)).toEqual(tokenizer.encode(text));
      }),
      { numRuns: 40 },
    );
  });

  test('finds a cut between letters and punctuation where there are no spaces', async () => {
    const text = '今天天气很好。我们去公园吧，明天见！'.repeat(40);
    for (const kind of ['smollm2', 'llama3', 'qwen2']) {
      const tokenizer = await loadTokenizer(golden(kind));
      expect(inPieces(tokenizer, text, 100), kind).toEqual(tokenizer.encode(text));
    }
  });

  test('loses nothing of a text that has no harmless cut, nor splits a surrogate pair', async () => {
    const tokenizer = await loadTokenizer(golden('smollm2'));
    for (const text of ['a'.repeat(1001), '😀'.repeat(500), `x${'𝄞'.repeat(400)}`])
      expect(tokenizer.decode(inPieces(tokenizer, text, 100))).toBe(text);
  });

  test('tokenises only as far as it is asked', async () => {
    const tokenizer = await loadTokenizer(golden('smollm2'));
    let characters = 0;
    const counting: Tokenizer = {
      ...tokenizer,
      encodeCompletion(text) {
        characters += text.length;
        return tokenizer.encodeCompletion(text);
      },
    };
    const pieces = tokenPieces(counting, 'the slope of the line '.repeat(100_000), 1000);
    pieces.next();
    pieces.next();
    expect(characters).toBeLessThan(5000);
  });
});

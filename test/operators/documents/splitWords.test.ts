import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { splitPieces, splitWords } from '../../../operators/documents/splitWords.ts';

const golden = JSON.parse(readFileSync(new URL('../../goldens/bm25/golden.json', import.meta.url), 'utf8')) as {
  documents: string[];
  words: string[][];
};

describe('splitWords', () => {
  test('splits as the plain Python version does', () => {
    for (const [i, text] of golden.documents.entries()) expect(splitWords(text)).toEqual(golden.words[i]);
  });

  test('keeps numbers, and gives compatible forms and cases of a word as one', () => {
    expect(splitWords('In 1995, x² = ﬁve; FIVE FIVE')).toEqual(['in', '1995', 'x2', 'five', 'five', 'five']);
    expect(splitWords('e\u0301t\u00e9')).toEqual(['\u00e9t\u00e9']);
    expect(splitWords('हिन्दी')).toEqual(['हिन्दी']);
  });

  test('gives each character of a script without spaces as a word', () => {
    expect(splitWords('東京tower ไทย')).toEqual(['東', '京', 'tower', 'ไ', 'ท', 'ย']);
  });

  test('gives no words for no text, and for signs alone', () => {
    expect([splitWords(''), splitWords(' \n…?!')]).toEqual([[], []]);
  });

  test('bears lone surrogates', () => {
    expect(splitWords('a\ud800b')).toEqual(['a', 'b']);
  });
});

describe('splitPieces', () => {
  test('gives the signs between the words too', () => {
    expect(splitPieces('7-4 = 3.')).toEqual(['7', '-', '4', '=', '3', '.']);
    expect(splitPieces('7 - 4=3 .')).toEqual(splitPieces('7-4 = 3.'));
  });
});

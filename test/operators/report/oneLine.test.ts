import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cut, lineWidth, oneLine } from '../../../operators/report/oneLine.ts';

describe('oneLine', () => {
  test('shows escape sequences, control characters and direction marks, and obeys none', () => {
    expect(oneLine('\u001b[31mred\u0007\u009b2J\u202ereversed\u2066\ufeff\0', 100)).toBe(
      '\\u{1b}[31mred\\u{7}\\u{9b}2J\\u{202e}reversed\\u{2066}\\u{feff}\\u{0}'.replace('\\u{feff}', ' '),
    );
  });

  test('turns white space of any kind and length into one blank', () => {
    expect(oneLine('\n\n a\r\n\tb\u2028c\u2029d\u0085e\u00a0f \v\f', 100)).toBe('a b c d e f');
  });

  test('cuts between code points and says so', () => {
    expect(oneLine('abcdef', 6)).toBe('abcdef');
    expect(oneLine('abcdefg', 6)).toBe('abcde…');
    expect(oneLine('😀😀😀😀', 6)).toBe('😀😀…');
    expect(oneLine('日本語の文章', 7)).toBe('日本語…');
  });

  test('keeps accents, joiners and scripts that need them', () => {
    for (const text of ['é e\u0301', 'می\u200cخواهم', 'हिन्दी', '👩\u200d🔬']) expect(oneLine(text, 80)).toBe(text);
  });

  test('shows halves of surrogate pairs', () => {
    expect(oneLine('a\ud83db', 20)).toBe('a\\u{d83d}b');
  });

  test('gives a printable line of at most the width, for any text', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 2, max: 60 }), (text, width) => {
        const line = oneLine(text, width);
        expect(lineWidth(line)).toBeLessThanOrEqual(width);
        expect(line).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      }),
      { numRuns: 1000 },
    ));

  test('looks at no more of a long text than it can show', () => {
    expect(oneLine(`${' '.repeat(5_000_000)}${'word '.repeat(2_000_000)}`, 20)).toBe('word word word word…');
  });
});

test('cut keeps a line that fits, blanks and all', () => {
  expect(cut('  a   b', 7)).toBe('  a   b');
  expect(cut('  a   bc', 7)).toBe('  a…');
});

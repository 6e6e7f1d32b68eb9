import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printableLine, printableText } from '../../../operators/report/printableText.ts';

describe('printableText', () => {
  it.each([
    ['\u001b[31mred\u001b[0m', '\\u{1b}[31mred\\u{1b}[0m'],
    ['\u001b]0;title\u0007', '\\u{1b}]0;title\\u{7}'],
    ['\u009b31m', '\\u{9b}31m'],
    ['over\rwritten\b\u007f', 'over\\u{d}written\\u{8}\\u{7f}'],
    ['abc\u202edef\u2066', 'abc\\u{202e}def\\u{2066}'],
    ['a\u2028b\u2029c', 'a\\u{2028}b\\u{2029}c'],
    ['\ufeffx\u200b', '\\u{feff}x\\u{200b}'],
    ['half \ud83d of a pair', 'half \\u{d83d} of a pair'],
    ['tag \u{e0041}', 'tag \\u{e0041}'],
  ])('shows %j and does not send it', (text, shown) => {
    expect(printableText(text)).toBe(shown);
  });

  it('leaves what people write', () => {
    const text = 'Tab\tand line\nÄpfel, 漢字, 👩‍🔬, می‌خواهم, क्‍ष, =cmd()';
    expect(printableText(text)).toBe(text);
  });

  it('leaves no control character in any text, and changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = printableText(text);
        expect(shown).not.toMatch(/(?![\t\n])[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(printableText(shown)).toBe(shown);
      }),
    );
  });
});

describe('printableLine', () => {
  it('is one line', () => {
    expect(printableLine('a\nb\tc\r')).toBe('a\\nb c\\u{d}');
  });
});

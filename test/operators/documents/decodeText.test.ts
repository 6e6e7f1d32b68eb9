import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLabel, decodeText } from '../../../operators/documents/decodeText.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);
const utf8 = (text: string) => new Uint8Array(Buffer.from(text));

describe('decodeText', () => {
  it('gives back any text without NUL that has a visible character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (some) => {
        const text = `x${some.replaceAll('\0', '')}`;
        expect(decodeText(utf8(text), 'setAside')).toEqual({ text, bytes: Buffer.byteLength(text), replaced: false });
      }),
    );
  });

  it('sets aside null, empty and whitespace-only text, each with its reason', () => {
    expect(decodeText(null, 'replace')).toMatchObject({ text: null, reason: 'null text' });
    expect(decodeText(bytes(), 'replace')).toMatchObject({ text: null, reason: 'empty text' });
    expect(decodeText(utf8('\ufeff'), 'replace')).toMatchObject({ text: null, reason: 'empty text' });
    expect(decodeText(utf8(' \t\r\n\u00a0\u3000\u2028'), 'replace')).toMatchObject({
      text: null,
      reason: 'whitespace only',
    });
  });

  it.each([
    ['a stray byte', bytes(0x61, 0xff, 0x62), 'not UTF-8 at byte 1', 'a\ufffdb'],
    ['a lone surrogate', bytes(0x61, 0xed, 0xa0, 0x80), 'not UTF-8 at byte 1', 'a\ufffd\ufffd\ufffd'],
    ['a character cut short', bytes(0x61, 0x62, 0xe2, 0x82), 'not UTF-8 at byte 2', 'ab\ufffd'],
    ['an overlong slash', bytes(0xc0, 0xaf, 0x61), 'not UTF-8 at byte 0', '\ufffd\ufffda'],
    ['NUL', bytes(0x61, 0x00, 0x62), 'NUL at byte 1', 'a\ufffdb'],
    ['a stray byte behind a real U+FFFD', bytes(0xef, 0xbf, 0xbd, 0x61, 0xff), 'not UTF-8 at byte 4', '\ufffda\ufffd'],
  ])('sets aside or replaces %s, as asked', (_, text, detail, replaced) => {
    expect(decodeText(text, 'setAside')).toEqual({ text: null, reason: 'invalid text', detail });
    expect(decodeText(text, 'replace')).toEqual({ text: replaced, bytes: text.length, replaced: true });
  });

  it('keeps a replacement character that the text itself holds', () => {
    expect(decodeText(utf8('as \ufffd stored'), 'setAside')).toMatchObject({
      text: 'as \ufffd stored',
      replaced: false,
    });
  });

  it('drops a byte-order mark at the start and keeps one inside', () => {
    expect(decodeText(utf8('\ufeffa\ufeffb'), 'setAside')).toMatchObject({ text: 'a\ufeffb', replaced: false });
    expect(decodeText(bytes(0xef, 0xbb, 0xbf, 0x61, 0x00), 'replace')).toMatchObject({
      text: 'a\ufffd',
      replaced: true,
    });
  });
});

describe('decodeLabel', () => {
  it('writes numbers as they were stored, unsigned ones without a sign', () => {
    expect(decodeLabel(-1, 'integer')).toBe('-1');
    expect(decodeLabel(9007199254740993n, 'integer')).toBe('9007199254740993');
    expect(decodeLabel(-1, 'unsigned')).toBe('4294967295');
    expect(decodeLabel(-1n, 'unsigned')).toBe('18446744073709551615');
  });

  it('writes a UUID with hyphens and replaces what is no text in a string', () => {
    const uuid = Uint8Array.from({ length: 16 }, (_, i) => i);
    expect(decodeLabel(uuid, 'uuid')).toBe('00010203-0405-0607-0809-0a0b0c0d0e0f');
    expect(decodeLabel(bytes(0x61, 0xff, 0x00), 'text')).toBe('a\ufffd\ufffd');
    expect(decodeLabel(null, 'text')).toBeNull();
  });
});

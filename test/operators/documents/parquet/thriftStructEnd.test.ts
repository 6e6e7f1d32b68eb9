import { describe, expect, it } from 'vitest';
import { thriftStructEnd } from '../../../../operators/documents/parquet/thriftStructEnd.ts';
import { fixture } from '../corpora.ts';

function footerOf(name: string): Buffer {
  const bytes = fixture(name);
  return bytes.subarray(bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8), -8);
}

describe('thriftStructEnd', () => {
  it('ends where a real footer ends, whatever lies behind it', () => {
    for (const name of ['one-page', 'dictionary', 'ids', 'text-list']) {
      const footer = footerOf(name);
      expect(thriftStructEnd(footer)).toBe(footer.length);
      expect(thriftStructEnd(Buffer.concat([footer, Buffer.from('rest')]))).toBe(footer.length);
    }
  });

  it('finds that every shortened footer has no end', () => {
    const footer = footerOf('one-page');
    for (let length = 0; length < footer.length; length++)
      expect(thriftStructEnd(footer.subarray(0, length))).toBeUndefined();
  });

  it('does not believe a length that the bytes contradict', () => {
    const list = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00, 0x00]; // 2^31 - 1 structures
    const string = [0x18, 0xff, 0xff, 0xff, 0xff, 0x07, 0x41, 0x00];
    expect(thriftStructEnd(Uint8Array.from(list))).toBeUndefined();
    expect(thriftStructEnd(Uint8Array.from(string))).toBeUndefined();
  });

  it('refuses what Parquet never writes: endless nesting, unknown types', () => {
    expect(() => thriftStructEnd(new Uint8Array(100_000).fill(0x1c))).toThrow('metadata nests more than 32 deep');
    expect(() => thriftStructEnd(new Uint8Array(100_000).fill(0x19))).toThrow('metadata nests more than 32 deep');
    expect(() => thriftStructEnd(Uint8Array.of(0x1d, 0x00))).toThrow('unknown type 13 at byte 1');
  });
});

import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../../../operators/documents/parquet/openFile.ts';
import { type Footer, readFooter } from '../../../../operators/documents/parquet/readFooter.ts';
import { craft, fixture, messageOf, parquet, READ_SECONDS, tempFolder } from '../corpora.ts';

async function footerOf(bytes: Uint8Array): Promise<Footer> {
  const file = await openFile(path.join(tempFolder({ 'a.parquet': bytes }), 'a.parquet'), READ_SECONDS);
  return readFooter(file).finally(() => file.close());
}

const cut = (length: number) => fixture('none').subarray(0, length);
const withFooterLength = (length: number) => {
  const bytes = Buffer.from(fixture('none'));
  bytes.writeUInt32LE(length, bytes.length - 8);
  return bytes;
};

describe('readFooter', () => {
  it('counts the rows and says where the footer begins', async () => {
    const footer = await footerOf(fixture('none'));
    expect(footer.rows).toBe(300);
    expect(footer.start).toBe(fixture('none').length - 8 - fixture('none').readUInt32LE(fixture('none').length - 8));
    expect((await footerOf(fixture('no-rows'))).rows).toBe(0);
  });

  it('gives another hash for another footer', async () => {
    const hashes = [fixture('none'), fixture('none'), fixture('zstd')].map(
      async (bytes) => (await footerOf(bytes)).hash,
    );
    const [first, again, other] = await Promise.all(hashes);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it('reads a footer larger than its first read', async () => {
    const long = craft({ footer: { created_by: 'x'.repeat(200_000) } });
    expect((await footerOf(long)).rows).toBe(20);
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'it is empty (0 bytes)'],
    ['a file of a few bytes', Buffer.from('PAR1PAR1'), 'it has only 8 bytes, the smallest Parquet file has more'],
    ['text', Buffer.from('{"text": "not Parquet"}\n'), 'it is not Parquet: its first bytes are "{\\"te", not "PAR1"'],
    [
      'a truncated file',
      cut(20_000),
      'it begins as Parquet but at byte 19996 does not end as Parquet: it was cut short',
    ],
    [
      'a footer longer than the file',
      withFooterLength(40_000),
      /at byte \d+ it claims a footer of 40000 bytes, the whole file has \d+/,
    ],
    ['a footer of 4 GB', withFooterLength(2 ** 32 - 1), 'it claims a footer of 4294967295 bytes'],
    ['a footer of another length', withFooterLength(700), /its footer, from byte \d+, is damaged/],
    ['a footer of no fields', parquet(Buffer.alloc(0), Buffer.of(0)), 'its footer, from byte 4, is damaged'],
    [
      'a list of 2^31 row groups',
      parquet(Buffer.alloc(0), Buffer.from('49fcffffffff0700', 'hex')),
      'its structures reach past its end',
    ],
    [
      'a footer nested 100,000 deep',
      parquet(Buffer.alloc(0), Buffer.alloc(100_000, 0x1c)),
      'metadata nests more than 32 deep',
    ],
    ['an encrypted footer', fixture('encrypted'), 'its footer is encrypted; decrypt it first'],
    ['2^31 rows', craft({ footer: { num_rows: 2 ** 31 } }), 'promises 2147483648 rows, its row groups hold 20'],
    ['less than no rows', craft({ rowGroup: { num_rows: -1 } }), 'gives row group 0 -1 rows'],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(footerOf(bytes)).rejects.toThrow(message);
  });

  it('refuses a fixture cut at any byte, in words of its own', async () => {
    const bytes = fixture('one-page');
    for (let length = 0; length < bytes.length; length += 7)
      expect(await messageOf(footerOf(bytes.subarray(0, length)))).toMatch(
        /^Error: it (is empty|has only|begins as Parquet)/,
      );
  });
});

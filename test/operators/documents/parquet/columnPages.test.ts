import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openColumn, type PageAt } from '../../../../operators/documents/parquet/columnPages.ts';
import { findColumns } from '../../../../operators/documents/parquet/findColumns.ts';
import { type OpenFile, openFile } from '../../../../operators/documents/parquet/openFile.ts';
import { planRowGroups } from '../../../../operators/documents/parquet/planRowGroups.ts';
import { readFooter } from '../../../../operators/documents/parquet/readFooter.ts';
import { craft, fixture, fixtureText, longStatistics, READ_SECONDS, tempFolder } from '../corpora.ts';

/** Hands the text column of the file's first row group to `use`. */
async function withText<T>(bytes: Uint8Array, use: (pageAt: PageAt) => Promise<T>, watch = (file: OpenFile) => file) {
  const file = watch(await openFile(path.join(tempFolder({ 'a.parquet': bytes }), 'a.parquet'), READ_SECONDS));
  try {
    const footer = await readFooter(file);
    const [group] = planRowGroups(footer, [findColumns(footer.metadata, { textColumn: 'text' }).text]);
    return await use(openColumn(file, group.chunks[0], group.rowStart, group.rowEnd));
  } finally {
    await file.close();
  }
}

const firstPage = (bytes: Uint8Array) => withText(bytes, (pageAt) => pageAt(0));
const textOf = (value: unknown) => Buffer.from(value as Uint8Array).toString();

/** small-pages.parquet with one bit of its byte `at` turned. */
function flipped(at: number): Buffer {
  const bytes = Buffer.from(fixture('small-pages'));
  bytes[at] ^= 0x10;
  return bytes;
}

describe('openColumn', () => {
  it('walks the pages in order, each with its rows', async () => {
    await withText(fixture('small-pages'), async (pageAt) => {
      for (let row = 0; row < 300; row++) {
        const page = await pageAt(row);
        expect(page.rowEnd - page.rowStart).toBe(10);
        expect(textOf(page.values(row - page.rowStart))).toBe(fixtureText(row));
      }
    });
  });

  it('passes over pages that nobody asks for without decoding them', async () => {
    const spoiled = flipped(fixture('small-pages').indexOf('Document 15:'));
    await withText(spoiled, async (pageAt) => {
      expect(textOf((await pageAt(3)).values(3))).toBe(fixtureText(3));
      expect(textOf((await pageAt(27)).values(7))).toBe(fixtureText(27));
    });
  });

  it('finds a page whose checksum does not match', async () => {
    const at = fixture('small-pages').indexOf('Document 15:');
    await withText(flipped(at), async (pageAt) => {
      await pageAt(9);
      await expect(pageAt(10)).rejects.toThrow(
        /^row group 0, column "text", page at byte \d+: its checksum \(CRC\) does not match its bytes$/,
      );
    });
  });

  it.each([
    [
      'a page larger than its column',
      { page: { compressed_page_size: 2 ** 31 - 1 } },
      /it claims 2147483647 bytes where \d+ are left/,
    ],
    ['a page of less than no bytes', { page: { compressed_page_size: -1 } }, 'it claims -1 bytes where'],
    [
      'a page that claims to unfold to 2 GB',
      { page: { uncompressed_page_size: 2 ** 31 - 1 } },
      /it claims to hold 2147483647 bytes, compressed to \d+: over the limit/,
    ],
    ['a page of more rows than its row group', { dataPage: { num_values: 21 } }, 'it claims 21 rows where 20 are left'],
    ['a page of 2^31 rows', { dataPage: { num_values: 2 ** 31 - 1 } }, 'it claims 2147483647 rows where 20 are left'],
    ['a page of too few rows', { dataPage: { num_values: 19 } }, 'its pages hold 19 of 20 rows'],
    ['a page of an unknown type', { page: { type: 9 } }, 'it is of an unknown type'],
    [
      'an unknown encoding',
      { dataPage: { encoding: 77 } },
      'its values are encoded as something unknown, which is not supported',
    ],
    [
      'values of a dictionary that is not there',
      { dataPage: { encoding: 8 } },
      'its values refer to a dictionary, the column has none',
    ],
    [
      'levels in an old encoding',
      { dataPage: { definition_level_encoding: 4 } },
      'its levels are encoded as BIT_PACKED, which is not supported',
    ],
    ['levels that reach past the page', { body: (b: Buffer) => patched(b, 2, 0xff) }, 'its levels reach past its end'],
    [
      'a run of 2^31 levels',
      { body: (b: Buffer) => Buffer.from([6, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, ...b.subarray(6)]) },
      'a run of 2147483647 numbers where 20 are left',
    ],
    [
      'a string longer than its page',
      { body: (b: Buffer) => patched(b, 9, 0x7f) },
      'it is damaged: its values reach past its end',
    ],
    [
      'a string a byte too short',
      { body: shortenLast },
      /its values end at byte \d+ of \d+: a length among them is wrong/,
    ],
  ])('refuses %s', async (_, changes, message) => {
    await expect(firstPage(craft(changes))).rejects.toThrow(message);
  });

  it('refuses a column whose pages end before its rows, before it gives any', async () => {
    const bytes = craft({ footer: { num_rows: 30 }, rowGroup: { num_rows: 30 }, chunk: { num_values: 30 } });
    await withText(bytes, async (pageAt) => {
      await expect(pageAt(0)).rejects.toThrow('its pages hold 20 of 30 rows');
    });
  });

  it('reads the headers of a row group and then its pages, a quarter of a megabyte at a time', async () => {
    const bytes = craft({ pages: 3000 });
    const reads: number[] = [];
    const watch = (file: OpenFile): OpenFile => ({
      ...file,
      read: (start, end) => {
        reads.push(end - start);
        return file.read(start, end);
      },
    });
    const readRows = async (pageAt: PageAt) => {
      for (let row = 0; row < 60_000; row += 20) expect((await pageAt(row)).rowStart).toBe(row);
    };
    await withText(bytes, readRows, watch);
    expect(bytes.length).toBeGreaterThan(4_000_000);
    expect(Math.max(...reads)).toBe(256 * 1024);
    expect(reads.reduce((sum, read) => sum + read, 0)).toBeLessThan(2.2 * bytes.length);
  });

  it('reads a page header far longer than its first read of it', async () => {
    const page = await firstPage(craft({ dataPage: { statistics: longStatistics(100_000) } }));
    expect(textOf(page.values(19))).toBe(fixtureText(19));
  });
});

function patched(body: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(body);
  copy[at] = value;
  return copy;
}

function shortenLast(body: Buffer): Buffer {
  const length = body.lastIndexOf('Document') - 4;
  return patched(body, length, body[length] - 1);
}

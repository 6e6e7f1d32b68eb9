import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findColumns } from '../../../../operators/documents/parquet/findColumns.ts';
import { openFile } from '../../../../operators/documents/parquet/openFile.ts';
import { planRowGroups, type RowGroupPlan } from '../../../../operators/documents/parquet/planRowGroups.ts';
import { readFooter } from '../../../../operators/documents/parquet/readFooter.ts';
import { craft, fixture, READ_SECONDS, tempFolder } from '../corpora.ts';

async function planOf(bytes: Uint8Array, more = {}): Promise<RowGroupPlan[]> {
  const file = await openFile(path.join(tempFolder({ 'a.parquet': bytes }), 'a.parquet'), READ_SECONDS);
  try {
    const footer = await readFooter(file);
    const { text, id } = findColumns(footer.metadata, { textColumn: 'text', ...more });
    return planRowGroups(footer, id ? [text, id] : [text]);
  } finally {
    await file.close();
  }
}

describe('planRowGroups', () => {
  it('numbers the rows of the file through its row groups', async () => {
    const plan = await planOf(fixture('none'));
    expect(plan.map(({ index, rowStart, rowEnd }) => [index, rowStart, rowEnd])).toEqual([
      [0, 0, 100],
      [1, 100, 200],
      [2, 200, 300],
    ]);
  });

  it('begins at the dictionary where there is one', async () => {
    const [group] = await planOf(fixture('dictionary'), { idColumn: 'id' });
    expect(group.chunks.map(({ column }) => column.name)).toEqual(['text', 'id']);
    expect(group.chunks[1].start).toBe(4); // the file's first column
  });

  it('asks nothing of a file without rows', async () => {
    expect(await planOf(fixture('no-rows'))).toEqual([]);
  });

  it.each([
    [
      'an unsupported codec',
      { chunk: { codec: 3 } },
      'row group 0, column "text" is compressed with LZO; this reader knows UNCOMPRESSED, SNAPPY',
    ],
    ['an unknown codec', { chunk: { codec: 42 } }, 'is compressed with an unknown codec; this reader knows'],
    [
      'an unsupported encoding',
      { chunk: { encodings: [0, 1] } },
      'is encoded as GROUP_VAR_INT; this reader knows PLAIN, ',
    ],
    ['an unknown encoding', { chunk: { encodings: [77] } }, 'is encoded as something unknown; this reader knows'],
    ['data beyond the file', { chunk: { data_page_offset: 1e12 } }, 'lies at bytes 1000000000000 to'],
    ['data before the file', { chunk: { data_page_offset: -5 } }, 'lies at bytes -5 to'],
    [
      '100 GB of pages',
      { chunk: { total_compressed_size: 1e11 } },
      /lies at bytes 4 to 100000000004, the file's data at bytes 4 to \d+/,
    ],
    ['more values than rows', { chunk: { num_values: 2 ** 31 } }, 'holds 2147483648 values for 20 rows'],
    ['a column of another type', { chunk: { type: 1 } }, 'holds INT32, the schema says BYTE_ARRAY'],
    [
      'pages in another file',
      { column: { file_path: 'b.parquet' } },
      'lies in another file, b.parquet; give that file',
    ],
    [
      'more rows than the bytes could ever hold',
      { footer: { num_rows: 2 ** 31 }, rowGroup: { num_rows: 2 ** 31 }, chunk: { num_values: 2 ** 31 } },
      /row group 0, column "text" promises 2147483648 rows in \d+ bytes/,
    ],
  ])('refuses %s', async (_, changes, message) => {
    await expect(planOf(craft(changes))).rejects.toThrow(message);
  });

  it('refuses an encrypted column', async () => {
    await expect(planOf(fixture('encrypted-column'))).rejects.toThrow(
      'row group 0, column "text" is encrypted; decrypt it first',
    );
  });
});

/** Reads the first texts of one of the benches' Parquet files. */
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';

export async function readTexts(file: string, count: number): Promise<string[]> {
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(file), columns: ['text'], rowEnd: count });
  if (rows.length < count) throw new Error(`${file}: expected at least ${count} documents, found ${rows.length}`);
  return rows.map(({ text }) => text as string);
}

/** Reads Parquet files as a user would, with DuckDB. */
import { DuckDBInstance } from '@duckdb/node-api';

const instance = await DuckDBInstance.create(':memory:');
const connection = await instance.connect();

/** Rows as objects; 64-bit integers as bigint. `{path}` in the query stands for the file. */
export async function query(sql: string, path: string): Promise<Record<string, unknown>[]> {
  const reader = await connection.runAndReadAll(sql.replaceAll('{path}', `'${path.replaceAll("'", "''")}'`));
  return reader.getRowObjects();
}

/** The rows in the file's order, 64-bit integers as numbers. */
export async function readRows(path: string): Promise<Record<string, unknown>[]> {
  const rows = await query('SELECT * FROM read_parquet({path})', path);
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
    ),
  );
}

/** Column names and DuckDB's types, in order. */
export async function readColumns(path: string): Promise<[string, string][]> {
  const columns = await query('DESCRIBE SELECT * FROM read_parquet({path})', path);
  return columns.map(({ column_name, column_type }) => [String(column_name), String(column_type)]);
}

/** The part of parquetjs-lite 0.8.7 that writeTable uses; the package has no types of its own. */
declare module 'parquetjs-lite' {
  export interface Field {
    type: 'UTF8' | 'DOUBLE' | 'INT32' | 'INT64' | 'BOOLEAN';
    optional?: boolean;
    compression?: 'UNCOMPRESSED' | 'GZIP' | 'SNAPPY';
    statistics?: false;
  }
  export interface Sink {
    write(bytes: Buffer, done: (error?: unknown) => void): void;
    end(done: (error?: unknown) => void): void;
  }
  export interface Options {
    rowGroupSize?: number;
    pageIndex?: false;
    useDataPageV2?: boolean;
  }
  class ParquetSchema {
    constructor(fields: Record<string, Field>);
  }
  class ParquetWriter {
    static openStream(schema: ParquetSchema, sink: Sink, options: Options): Promise<ParquetWriter>;
    appendRow(row: Record<string, unknown>): Promise<void>;
    setRowGroupSize(rows: number): void;
    close(): Promise<void>;
  }
  const parquet: { ParquetSchema: typeof ParquetSchema; ParquetWriter: typeof ParquetWriter };
  export default parquet;
  export type { ParquetWriter };
}

/** Flips one bit of a Parquet file and says how reading it ends. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { openCorpus } from '../../../../operators/documents/openCorpus.ts';
import { readDocuments } from '../../../../operators/documents/readDocuments.ts';
import { HeadwaterError } from '../../../../schemas/errors.ts';
import { MANY, settings } from '../corpora.ts';

/** Every row of a file as a line: `id | source | text`, or why it is no document. Rows that were lost are absent. */
export type ReadRows = Map<number, string>;

/** Reads `a.parquet` of `folder`, passing over what is damaged. */
export async function readRows(folder: string): Promise<ReadRows> {
  const chosen = settings('a.parquet', { idColumn: 'id', sourceColumn: 'source', onBadFile: 'skip' });
  const rows: ReadRows = new Map();
  const corpus = await openCorpus(chosen, folder);
  for await (const { key, id, source, text, setAside } of readDocuments(corpus, chosen, MANY, 512)) {
    for (const [b, k] of key.entries()) rows.set(k, `${id[b]} | ${source![b]} | ${text[b]}`);
    for (const { key: k, id: name, reason } of setAside) rows.set(k, `${name} | ${reason}`);
  }
  return rows;
}

/** 'same' or 'refused' are as promised, and so is 'lost': some rows are missing and counted, the others the same. */
export type Outcome = 'same' | 'refused' | 'lost' | 'other documents' | 'raw error';

export interface Flip {
  bit: number;
  outcome: Outcome;
  detail: string;
  /** Of processor time: other processes take their turns. */
  seconds: number;
}

/** `good` is what the file holds whole. */
export async function flipBit(folder: string, bytes: Uint8Array, bit: number, good: ReadRows): Promise<Flip> {
  const flipped = Uint8Array.from(bytes);
  flipped[bit >> 3] ^= 1 << (bit & 7);
  writeFileSync(path.join(folder, 'a.parquet'), flipped);
  const start = process.cpuUsage();
  const [outcome, detail] = await readRows(folder).then(
    (rows) => compare(rows, good),
    (error): [Outcome, string] => [
      error instanceof HeadwaterError && error.message.includes('a.parquet') ? 'refused' : 'raw error',
      String(error),
    ],
  );
  return { bit, outcome, detail, seconds: cpuSeconds(start) };
}

function cpuSeconds(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

function compare(rows: ReadRows, good: ReadRows): [Outcome, string] {
  for (const [key, row] of rows)
    if (good.get(key) !== row) return ['other documents', `row ${key}: ${row}, not ${good.get(key)}`];
  return [rows.size === good.size ? 'same' : 'lost', ''];
}

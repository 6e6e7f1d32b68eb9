/** Runs the program as a user would, `headwater run CONFIG.yaml`, and says what it took. */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { type ProcessUse, watchProcesses } from './processTree.ts';

export interface HeadwaterRun extends ProcessUse {
  /** From the start of the process to its end. */
  seconds: number;
  /** Seconds of each part of the run, as run.json has them. */
  parts: Record<string, number>;
}

/** What a bench sets; `out` is relative to the folder of the configuration. */
export interface HeadwaterConfiguration {
  corpus: { limit: number } & Record<string, unknown>;
  out: string;
  [key: string]: unknown;
}

const program = join(import.meta.dirname, '..', 'pipeline', 'headwater.js');

/** Writes the configuration to `folder` and runs it, in place of what an earlier run left. Throws where the run fails or does not score `corpus.limit` documents. */
export async function runHeadwater(
  configuration: HeadwaterConfiguration,
  folder: string,
  flags: string[] = [],
): Promise<HeadwaterRun> {
  const file = join(folder, 'bench.yaml');
  await writeFile(file, JSON.stringify(configuration, null, 2)); // JSON is YAML
  const begun = performance.now();
  const child = spawn(process.execPath, [program, 'run', file, '--no-resume', ...flags], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const watch = watchProcesses(child.pid as number);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const seconds = (performance.now() - begun) / 1000;
  const use = watch.stop();
  if (code !== 0) throw new Error(`headwater run ${file} ended with ${code}: see above`);
  const { counts, seconds: parts } = JSON.parse(await readFile(join(folder, configuration.out, 'run.json'), 'utf8'));
  const { limit } = configuration.corpus;
  if (counts.scored !== limit) throw new Error(`runHeadwater expected ${limit} documents scored, got ${counts.scored}`);
  return { seconds, parts, ...use };
}

/** (documents, Q) The scores that a run with keepScores left, of the first documents of a corpus of one file, in reading order. */
export async function keptScores(out: string, queries: string[], documents: number): Promise<number[][]> {
  const file = await asyncBufferFromFile(join(out, 'scores.parquet'));
  const rows = await parquetReadObjects({ file, compressors });
  const scores = Array.from({ length: documents }, () => queries.map(() => Number.NaN));
  const place = new Map(queries.map((id, q) => [id, q]));
  for (const { query_id, row, score } of rows) scores[Number(row)][place.get(query_id as string)!] = score as number;
  return scores;
}

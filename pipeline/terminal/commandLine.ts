/** The command line: reads the configuration, starts the stage that was asked for, and turns every ending into an exit code. */
import { resolve } from 'node:path';
import { Command, CommanderError, Help } from 'commander';
import type { Part } from '../../operators/curvature/factorFolder.ts';
import { printableLine, printableText } from '../../operators/report/printableText.ts';
import packageJson from '../../package.json' with { type: 'json' };
import {
  type Configuration,
  configurationJsonSchema,
  configurationRows,
  defaultsTable,
} from '../../schemas/configuration.ts';
import { UsageError } from '../../schemas/errors.ts';
import { type Shard, shardOut } from '../checkpoints/shards.ts';
import type { Override } from '../configuration/overrides.ts';
import { parseYaml } from '../configuration/parseYaml.ts';
import { readConfiguration } from '../configuration/readConfiguration.ts';
import type { StageHooks } from '../stages/stageHooks.ts';
import { takeRunLock } from '../supervisor/runLock.ts';
import type { Supervised } from '../supervisor/supervise.ts';
import { onTerminal, realTerminal, reported, type Terminal, wholeProcess } from './onTerminal.ts';

/** The stages, as pipeline/stages/stages.ts has them. */
export interface Stages {
  runStage(
    configuration: Configuration,
    hooks: StageHooks,
    shard: Shard | null,
  ): Promise<{ exitCode: number; summary: string }>;
  mergeStage(
    folders: string[],
    out: string,
    hooks: StageHooks,
    configuration?: Configuration,
  ): Promise<{ exitCode: number; summary: string }>;
  fitStage(configuration: Configuration, hooks: StageHooks, part: Part | null): Promise<{ summary: string }>;
  queriesStage(configuration: Configuration, hooks: StageHooks): Promise<{ summary: string }>;
  planStage(configuration: Configuration, hooks: StageHooks): Promise<{ summary: string }>;
  reportStage(folder: string): Promise<{ summary: string }>;
}

/** Where the command line reads and writes, and what it starts; a test gives its own. */
export interface Surroundings extends Terminal {
  loadStages(): Promise<Stages>;
  /** Runs in a process of its own, which is watched; where it is missing, runs go on in this one. */
  supervise?(run: Supervised, terminal: Terminal): Promise<number>;
}

export const realSurroundings: Surroundings = {
  ...realTerminal,
  loadStages: () => import('../stages/stages.ts'), // loaded late: --help need not wait for onnxruntime
  supervise: async (run, terminal) => (await import('../supervisor/supervise.ts')).supervise(run, terminal),
};

/** Runs the program for the whole process. */
export function main(args: string[]): Promise<void> {
  return wholeProcess(() => commandLine(args));
}

/** Runs one command; `args` are those after the program's name. Gives the exit code and throws nothing. */
export function commandLine(args: string[], surroundings = realSurroundings): Promise<number> {
  return reported(async () => {
    const outcome: Outcome = { exitCode: 0 };
    try {
      await program(surroundings, outcome).parseAsync(args, { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      return error.exitCode === 0 ? 0 : 2; // what it had to say is said
    }
    return outcome.exitCode;
  }, surroundings.stderr);
}

function program(surroundings: Surroundings, outcome: Outcome): Command {
  const { stdout, stderr } = surroundings;
  const root = new Command('headwater')
    .description(packageJson.description)
    .version(packageJson.version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(printableText(text)),
      getOutHelpWidth: () => stdout.columns ?? 120,
      getErrHelpWidth: () => stderr.columns ?? 120,
    });
  addStages(root, surroundings, outcome);
  addMerge(root, surroundings, outcome);
  addReport(root, surroundings);
  addDoctor(root, stdout, outcome);
  addConfig(root, stdout);
  return root;
}

interface Outcome {
  exitCode: number;
}

function addStages(root: Command, surroundings: Surroundings, outcome: Outcome): void {
  for (const [name, { description, options = [] }] of Object.entries(stageCommands)) {
    const command = withConfigurationOptions(root.command(name)).description(description);
    for (const [flags, meaning] of options) command.option(flags, meaning);
    command.action(async (path: string, options: Options) => {
      outcome.exitCode = await runCommand(path, options, surroundings, command);
    });
  }
}

interface MergeOptions {
  out?: string;
  config?: string;
  resume: boolean;
  quiet?: boolean;
}

function addMerge(root: Command, surroundings: Surroundings, outcome: Outcome): void {
  const command = root
    .command('merge')
    .argument('<folders...>', "shards' folders, or the run folder that they were computed for")
    .description('put the shards of a run together: the run folder of the whole')
    .option('--out <folder>', 'the run folder; where one folder alone is given, that one')
    .option('--config <CONFIG.yaml>', 'the configuration, where model and corpus lie elsewhere than for the shards')
    .option('--no-resume', 'merge again, replacing what the run folder holds')
    .option('--quiet', 'no progress; the summary and errors still come');
  command.action(async (folders: string[], { out, config, resume, quiet = false }: MergeOptions) => {
    const target = out ?? (folders.length === 1 ? folders[0] : undefined);
    if (target === undefined)
      throw new UsageError(`merge expected --out, the run folder to write, beside ${folders.length} folders: name one`);
    const configuration = config === undefined ? undefined : (await readConfiguration(config)).configuration;
    outcome.exitCode = await locked(resolve(target), () =>
      onTerminal({ quiet }, surroundings, async (hooks) => {
        const stages = await surroundings.loadStages();
        const shards = folders.map((folder) => resolve(folder));
        return stages.mergeStage(shards, resolve(target), { ...hooks, resume }, configuration);
      }),
    );
  });
}

function addReport(root: Command, { stdout, loadStages }: Surroundings): void {
  const command = root
    .command('report')
    .argument('<folder>', 'the run folder')
    .description('make report.html and report.json of a run folder again, from its tables');
  command.action(async (folder: string) => {
    const { summary } = await (await loadStages()).reportStage(resolve(folder));
    stdout.write(`${printableText(summary)}\n`);
  });
}

function addDoctor(root: Command, stdout: NodeJS.WriteStream, outcome: Outcome): void {
  const command = root.command('doctor').description('what this machine has, and whether Headwater can run on it');
  command.action(async () => {
    const { checkLines, checkMachine, examineMachine } = await import('../machine/doctor.ts');
    const checks = checkMachine(await examineMachine());
    stdout.write(`${checkLines(checks).join('\n')}\n`);
    outcome.exitCode = checks.some(({ ok }) => ok === false) ? 1 : 0;
  });
}

function addConfig(root: Command, stdout: NodeJS.WriteStream): void {
  const command = root
    .command('config')
    .description('what a configuration may hold')
    .option('--defaults', 'every key with its default, as a Markdown table')
    .option('--json-schema', 'the JSON Schema, for editors');
  command.action(({ defaults, jsonSchema }: { defaults?: boolean; jsonSchema?: boolean }) => {
    if (defaults === jsonSchema)
      throw new UsageError(
        `headwater config expected --defaults or --json-schema, got ${defaults ? 'both' : 'neither'}: give one`,
      );
    stdout.write(defaults ? defaultsTable() : `${JSON.stringify(configurationJsonSchema(), null, 2)}\n`);
  });
}

interface Options {
  out?: string;
  workers?: string;
  credits?: string;
  limit?: string;
  skip?: string;
  set?: string[];
  quiet?: boolean;
  part?: string;
  shard?: string;
  resume?: boolean;
  supervisor?: boolean;
}

type Start = (
  stages: Stages,
  configuration: Configuration,
  hooks: StageHooks,
  options: Options,
) => Promise<{ exitCode?: number; summary: string }>;

/** The commands that take a configuration, with the options that each has beside those of all. */
const stageCommands: Record<
  string,
  { description: string; options?: [flags: string, meaning: string][]; start: Start }
> = {
  run: {
    description: 'score every document of the corpus against every query, and write the run folder',
    options: [
      ['--resume', 'go on from the checkpoint of the run folder, where there is one (the default)'],
      ['--no-resume', 'begin again, replacing what the run folder holds'],
      ['--shard <i/n>', 'pass over the i-th of n parts of the corpus; headwater merge puts them together'],
      ['--no-supervisor', 'run in this one process, which nobody starts again when it dies'],
    ],
    start: (stages, configuration, hooks, { shard }) => stages.runStage(configuration, hooks, partOf(shard, '--shard')),
  },
  fit: {
    description: 'estimate and cache the curvature alone, from a sample of the corpus',
    options: [['--part <i/n>', 'sum over one part of the sample; once all n are there, the next fit merges them']],
    start: (stages, configuration, hooks, { part }) => stages.fitStage(configuration, hooks, partOf(part, '--part')),
  },
  queries: {
    description: 'compute and cache the query gradients alone, and the curvature where it is missing',
    start: (stages, configuration, hooks) => stages.queriesStage(configuration, hooks),
  },
  plan: {
    description: 'what a run will cost: tokens, time and memory, parameters tracked and skipped',
    start: (stages, configuration, hooks) => stages.planStage(configuration, hooks),
  },
};

/** `2/4`: the second of four parts. */
function partOf(text: string | undefined, option: string): Part | null {
  if (text === undefined) return null;
  const [, index, count] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (!(index >= 1 && index <= count))
    throw new UsageError(`${option} expected i/n with 1 ≤ i ≤ n, such as 2/4, got ${printableLine(text)}`);
  return { index, count };
}

function withConfigurationOptions(command: Command): Command {
  return command
    .argument('<CONFIG.yaml>', 'the configuration')
    .option('--out <folder>', 'the run folder')
    .option('--workers <n>', 'worker threads (pool.workers)')
    .option('--credits <n>', 'batches in flight (pool.credits)')
    .option('--limit <n>', 'documents read at most (corpus.limit)')
    .option('--skip <n>', 'documents passed over at the start (corpus.skip)')
    .option('--set <key=value>', 'any key of the configuration, once or more', (text, before: string[] = []) => [
      ...before,
      text,
    ])
    .option('--quiet', 'no progress; the summary and errors still come')
    .addHelpText('after', ({ command }) => keysHelp(command));
}

/** The keys of the configuration, laid out as commander lays out options. */
function keysHelp(command: Command): string {
  const help = Object.assign(new Help(), command.configureHelp());
  help.prepareContext({ helpWidth: command.configureOutput().getOutHelpWidth?.() });
  const rows = configurationRows();
  const width = Math.max(...rows.map(({ key }) => key.length));
  const lines = rows.map((row) =>
    help.formatItem(
      row.key,
      width,
      `${row.meaning} [${row.values}; ${row.default === 'required' ? '' : 'default: '}${row.default}]`,
      help,
    ),
  );
  return ['', 'Keys of the configuration, and of --set:', ...lines].join('\n');
}

/** Values go through YAML, so that the schema sees numbers as numbers and names the option where they are wrong. */
function overridesOf(options: Options): Override[] {
  const keys = {
    workers: 'pool.workers',
    credits: 'pool.credits',
    limit: 'corpus.limit',
    skip: 'corpus.skip',
  } as const;
  const overrides = Object.entries(keys).flatMap(([name, key]): Override[] => {
    const text = options[name as keyof typeof keys];
    if (text === undefined) return [];
    const { value } = parseYaml(text);
    return [{ option: `--${name} ${printableLine(text)}`, path: key.split('.'), value: value ?? text }];
  });
  if (options.out === undefined) return overrides;
  const out = options.out && resolve(options.out); // relative to where the command was typed, unlike the file's own paths
  return [...overrides, { option: `--out ${printableLine(options.out)}`, path: ['out'], value: out }];
}

async function runCommand(
  path: string,
  options: Options,
  surroundings: Surroundings,
  command: Command,
): Promise<number> {
  const { configuration } = await readConfiguration(path, options.set, overridesOf(options));
  const name = command.name();
  if (name !== 'run') return startStage(name, configuration, options, surroundings);
  const { supervise } = surroundings;
  const { resume = true, quiet = false } = options;
  const shard = partOf(options.shard, '--shard');
  const folder = shard ? shardOut(configuration.out, shard) : configuration.out;
  if (supervise && options.supervisor !== false) {
    const args = ['run', printableLine(path)];
    return supervise({ configuration, shard, folder, resume, quiet, args }, surroundings);
  }
  return locked(folder, () => startStage(name, configuration, options, surroundings));
}

/** `work` while this process owns the run folder. Throws UsageError where another does. */
async function locked(folder: string, work: () => Promise<number>): Promise<number> {
  const lock = await takeRunLock(folder);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

function startStage(
  name: string,
  configuration: Configuration,
  options: Options,
  surroundings: Surroundings,
): Promise<number> {
  const { start } = stageCommands[name];
  return onTerminal({ quiet: options.quiet ?? false }, surroundings, async (hooks) =>
    start(await surroundings.loadStages(), configuration, { ...hooks, resume: options.resume ?? true }, options),
  );
}

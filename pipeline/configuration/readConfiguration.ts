/** Reads a configuration file: YAML, checked by the schema, with every fault placed by line and column and every path made absolute. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { escapePath, isDynamicPattern } from 'tinyglobby';
import { printableLine } from '../../operators/report/printableText.ts';
import { type Configuration, configurationSchema } from '../../schemas/configuration.ts';
import { UsageError } from '../../schemas/errors.ts';
import { type Explained, explainIssues } from './explainIssues.ts';
import { applyOverrides, type Override, parseSet } from './overrides.ts';
import { type ParsedYaml, type Problem, parseYaml } from './parseYaml.ts';

/** A run's settings, and the folder that its relative paths start from. */
export interface ConfigurationInFolder {
  configuration: Configuration;
  folder: string;
}

const mostProblems = 20;

/**
 * Reads the file at `path`; `sets` are the texts of `--set key.key=value`, later ones over earlier ones.
 * Throws a UsageError that lists every fault.
 */
export async function readConfiguration(
  path: string,
  sets: string[] = [],
  overrides: Override[] = [],
): Promise<ConfigurationInFolder> {
  const text = await readText(path);
  const all = [...sets.map(parseSet), ...overrides];
  const yaml = parseYaml(text);
  if (yaml.problems.length > 0) throw listed(yaml.problems.map((problem) => placed(path, text, problem)));
  const value = applyOverrides(yaml.value, all);
  const { success, data, error } = configurationSchema.safeParse(value);
  if (!success) {
    const source = { path, text, yaml, overrides: all };
    const faults = explainIssues(error.issues, value).map((fault) => locate(fault, source));
    throw listed(faults.sort((a, b) => a.start - b.start).map(({ shown }) => shown));
  }
  const folder = dirname(resolve(path));
  return { configuration: withAbsolutePaths(data, folder, basename(path).replace(/\.ya?ml$/i, '')), folder };
}

async function readText(path: string): Promise<string> {
  const shown = printableLine(path);
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
      throw new UsageError(
        `no configuration at ${shown} (looked in ${printableLine(process.cwd())}): name a YAML file`,
      );
    if (error.code === 'EISDIR')
      throw new UsageError(`expected a configuration file, got the folder ${shown}: name the YAML file inside it`);
    throw error;
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${shown}: expected UTF-8 text, got other bytes: is this the configuration?`);
  }
}

interface Source {
  path: string;
  text: string;
  yaml: ParsedYaml;
  overrides: Override[];
}

/** The fault as the user sees it, and its offset in the file; those of the command line come first. */
function locate({ path, part, message }: Explained, source: Source): { start: number; shown: string } {
  const steps = path.map(String);
  const override = source.overrides.findLast((one) => one.path.every((key, depth) => key === steps[depth]));
  if (override) return { start: -1, shown: `${override.option}: ${message}` };
  const [start, end] = source.yaml.rangeOf(path, part);
  return { start, shown: placed(source.path, source.text, { start, end, message }) };
}

/** `file:line:column: message`, and the line itself with the place underlined. */
function placed(path: string, text: string, { start, end, message }: Problem): string {
  const { line, column, source } = lineAt(text, start);
  const from = Math.max(0, column - 60);
  const before = printableLine(source.slice(from, column - 1));
  const marked = printableLine(
    source.slice(column - 1, Math.max(column, Math.min(column - 1 + end - start, column + 40))),
  );
  const after = printableLine(source.slice(column - 1, column + 60)).slice(marked.length);
  const gutter = `  ${line} | `;
  const underline = `${' '.repeat(gutter.length - 2)}| ${' '.repeat(before.length)}${'^'.repeat(Math.max(1, marked.length))}`;
  return `${printableLine(path)}:${line}:${column}: ${printableLine(message)}\n${gutter}${before}${marked}${after}\n${underline}`;
}

function lineAt(text: string, offset: number): { line: number; column: number; source: string } {
  const begin = text.lastIndexOf('\n', offset - 1) + 1;
  const line = text.slice(0, begin).split('\n').length;
  return { line, column: offset - begin + 1, source: text.slice(begin).split(/\r?\n/, 1)[0] };
}

function listed(problems: string[]): UsageError {
  const left = problems.length - mostProblems;
  const more = left > 0 ? [`and ${left} more`] : [];
  return new UsageError([...problems.slice(0, mostProblems), ...more].join('\n'));
}

type Checked = ReturnType<typeof configurationSchema.parse>;

function withAbsolutePaths(checked: Checked, folder: string, name: string): Configuration {
  const absolute = (path: string): string => resolve(folder, path);
  const modelIn = (model: string): string => (isPath(model, folder) ? absolute(model) : model);
  return {
    ...checked,
    folder,
    model: modelIn(checked.model),
    ...(checked.queryModel === undefined ? {} : { queryModel: modelIn(checked.queryModel) }),
    corpus: {
      ...checked.corpus,
      files: checked.corpus.files.map((entry) => absoluteGlob(entry, folder)),
      ...(checked.corpus.manifest === undefined ? {} : { manifest: absolute(checked.corpus.manifest) }),
    },
    queries: isUrl(checked.queries) ? checked.queries : absolute(checked.queries),
    operators: checked.operators.map(({ path, settings }) => ({ path: absolute(path), settings })),
    out: absolute(checked.out ?? `runs/${name}`),
    cache: absolute(checked.cache ?? '.headwater'),
  };
}

/** A hub id such as `HuggingFaceTB/SmolLM2-135M` looks like a path; it is one if something is there, or if it starts like one. */
function isPath(model: string, folder: string): boolean {
  return /^(\.{1,2}([/\\]|$)|[/\\]|[a-z]:[/\\])/i.test(model) || existsSync(resolve(folder, model));
}

const isUrl = (text: string): boolean => /^[a-z][a-z0-9+.-]+:\/\//i.test(text);

function absoluteGlob(entry: string, folder: string): string {
  if (isUrl(entry)) return entry;
  if (entry.startsWith('!')) return `!${absoluteGlob(entry.slice(1), folder)}`;
  // A folder named [2024] must not be taken for a pattern, nor a file's own name that holds one.
  const glob = isDynamicPattern(entry) && !existsSync(resolve(folder, entry));
  return resolve(glob ? escapePath(folder) : folder, entry);
}

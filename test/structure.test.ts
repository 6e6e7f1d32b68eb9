/** Holds the checkout to its own rules: which way imports point, what lies where, and what the README says of it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultsTable } from '../schemas/configuration.ts';

const root = dirname(import.meta.dirname);

/** What each folder may import; bench and test may import everything. */
const imports = {
  schemas: ['schemas'],
  operators: ['schemas', 'operators'],
  pipeline: ['schemas', 'operators', 'pipeline'],
};
const sources = Object.keys(imports).flatMap(sourcesIn);
const operators = sources.filter((path) => /: (Map|Fold)Operator</.test(read(path)) && path.startsWith('operators/'));

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** The TypeScript and JavaScript files of a folder, as paths from the root. */
function sourcesIn(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return entries.map((path) => posix.join(folder, path.replaceAll('\\', '/'))).filter((path) => /\.[jt]s$/.test(path));
}

/** What a file imports, statically, dynamically or as a type: packages by name, files by their path from the root. */
function importsOf(path: string): string[] {
  const specifiers = [...read(path).matchAll(/\b(?:from|import)[\s(]*['"]([^'"\n]+)['"]/g)].map(([, name]) => name);
  return specifiers.map((name) => (name.startsWith('.') ? posix.join(dirname(path), name) : name));
}

describe('imports', () => {
  it.each(Object.entries(imports))('of %s come from no folder but %j', (folder, allowed) => {
    const strangers = sourcesIn(folder).flatMap((path) =>
      importsOf(path)
        .filter((name) => existsSync(join(root, name)) && name !== 'package.json')
        .filter((name) => !allowed.includes(name.split('/')[0]))
        .map((name) => `${path} imports ${name}`),
    );
    expect(strangers).toEqual([]);
  });

  it('of files end at a file that is there', () => {
    const broken = sources.flatMap((path) =>
      importsOf(path)
        .filter((name) => Object.keys(imports).includes(name.split('/')[0]) && !existsSync(join(root, name)))
        .map((name) => `${path} imports ${name}`),
    );
    expect(broken).toEqual([]);
  });

  it('of rxjs and piscina stand in pipeline/ alone', () => {
    const users = sources.filter((path) => importsOf(path).some((name) => /^(rxjs|piscina)(\/|$)/.test(name)));
    expect(users).toContain('pipeline/influenceGraph.ts');
    expect(users.filter((path) => !path.startsWith('pipeline/'))).toEqual([]);
  });
});

describe('every operator', () => {
  it('is found', () => {
    const maps = operators.filter((path) => /^export default/m.test(read(path)));
    const folds = operators.filter((path) => path.startsWith('operators/accumulators/'));
    expect(maps.length).toBeGreaterThanOrEqual(3);
    expect(folds.length).toBeGreaterThanOrEqual(5);
    expect(operators).toHaveLength(maps.length + folds.length);
  });

  it.each(operators)('has a test of its name: %s', (path) => {
    expect(existsSync(join(root, testOf(path))), testOf(path)).toBe(true);
  });

  it.each(operators)('has a row in the README with its test and its bench: %s', (path) => {
    const [, , test, bench] = cellsOf(path);
    expect(test).toBe(testOf(path));
    expect(bench).toMatch(/^bench\/\w+\.ts$/);
  });

  const testOf = (path: string): string => `test/${path.replace(/\.ts$/, '.test.ts')}`;

  /** The cells of the README's row that begins with `path`. */
  function cellsOf(path: string): string[] {
    const row = readme().match(new RegExp(`^\\| *\`?${path.replaceAll('.', '\\.')}\`? *\\|.*$`, 'm'));
    expect(row, `the README has no row for ${path}`).not.toBeNull();
    const cells = row![0].split('|').slice(1, -1);
    return cells.map((cell) => cell.replaceAll('`', '').trim());
  }
});

describe('folders', () => {
  it('of operators/ and pipeline/ hold at most 18 TypeScript files', () => {
    const counts = new Map<string, number>();
    for (const path of sources.filter((path) => path.endsWith('.ts') && !path.startsWith('schemas/')))
      counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
    expect([...counts].filter(([, files]) => files > 18)).toEqual([]);
  });

  // A package as it is installed has no history to ask.
  it.skipIf(!existsSync(join(root, '.git')))('at the top are those of the design and no others', () => {
    const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
      .split('\0')
      .filter(Boolean);
    const names = new Set(tracked.map((path) => path.split('/')[0]).filter((name) => !name.startsWith('.')));
    expect([...names].filter((name) => !designed.includes(name))).toEqual([]);
    expect(names).toContain('pipeline');
  });

  const designed = [
    ...['pipeline', 'operators', 'schemas', 'datasets', 'bench', 'test'],
    ...['package.json', 'package-lock.json', 'tsconfig.json', 'README.md', 'LICENSE', 'CHANGELOG.md'],
  ];
});

const readme = (): string => read('README.md');

describe('the README', () => {
  it('names only paths that are there', () => {
    const ours = /(?<![\w./-])(?:pipeline|operators|schemas|datasets|bench|test)\/[\w./-]*/g;
    const named = [...(withoutExamples(readme()).match(ours) ?? []), ...linksOf(readme())];
    expect(named.length).toBeGreaterThan(10);
    expect(named.map(withoutFullStop).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('has the table of the configuration as the schema prints it', () => {
    const rows = readme().split('\n');
    for (const row of defaultsTable().trimEnd().split('\n')) expect(rows).toContain(row);
    expect(readme()).toContain(defaultsTable());
  });

  /** The text without its code blocks, but for commands: files of the user's own stand in the others. */
  const withoutExamples = (text: string): string =>
    text.replace(/^```(\w*)\n[\s\S]*?^```$/gm, (block, language) => (language === 'sh' ? block : ''));

  /** Where links and pictures lead inside the checkout. */
  const linksOf = (text: string): string[] =>
    [...withoutExamples(text).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map(([, target]) => target)
      .filter((target) => !/^[a-z]+:/.test(target));

  const withoutFullStop = (path: string): string => path.replace(/\.$/, '');
});

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultTable } from './faultTable.ts';
import { outcomeOf, type TestResult, titlePattern } from './outcomes.ts';

const root = join(import.meta.dirname, '../..');

/** Rows of other work: the report in a browser, what reaches a terminal, the network. */
const elsewhere = [29, 30, 33];

describe('the fault table', () => {
  it('has every row of the promises, in order, each with a test at least', () => {
    const all = Array.from({ length: 34 }, (_, i) => i + 1).filter((number) => !elsewhere.includes(number));
    expect(faultTable.map(({ number }) => number)).toEqual(all);
    for (const { number, tests } of faultTable)
      expect(Object.values(tests).flat().length, `row ${number}`).toBeGreaterThan(0);
  });

  it.each(faultTable)('names tests that are there: $number, $fault', ({ tests, commands = [] }) => {
    const missing = Object.entries(tests).flatMap(([file, titles]) => {
      if (!existsSync(join(root, file))) return [`no file ${file}`];
      const source = readFileSync(join(root, file), 'utf8');
      return titles.filter((title) => !isTitle(title, source)).map((title) => `${file} has no test "${title}"`);
    });
    expect(missing).toEqual([]);
    expect(commands.filter((command) => !existsSync(join(root, command.split(' ')[0])))).toEqual([]);
  });

  it('names no test twice in a row', () => {
    for (const { number, tests } of faultTable)
      for (const titles of Object.values(tests)) expect(new Set(titles).size, `row ${number}`).toBe(titles.length);
  });
});

/** As the first argument of a call, whichever quotes it stands in. */
function isTitle(title: string, source: string): boolean {
  return [`'`, '"', '`'].some((quote) => new RegExp(`\\(\\s*${literally(quote + title + quote)}`).test(source));
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

describe('a title of the table', () => {
  it.each([
    ['over %s in the %s', 'over scores in the pool', true],
    ['refuses %j (twice)', 'refuses {"a":1} (twice)', true],
    [`refuses $name.first of \${kind.another}`, 'refuses a of b', true],
    ['ends at once', 'ends at once', true],
    ['ends at once', 'ends at once or later', false],
    ['is 5 % of it', 'is 5 % of it', true],
  ])('%s stands for the test %s: %s', (title, ran, stands) => {
    expect(titlePattern(title).test(ran)).toBe(stands);
  });
});

describe('the outcome of a row', () => {
  const row = { number: 1, fault: 'f', promise: 'p', tests: { 'a.test.ts': ['does %s', 'ends'] } };
  const ran = (title: string, status: TestResult['status']): TestResult => ({ file: 'a.test.ts', title, status });

  it('is kept where every test that it names ran and passed', () => {
    const results = [
      ran('does one', 'passed'),
      ran('does two', 'passed'),
      ran('ends', 'passed'),
      ran('other', 'failed'),
    ];
    expect(outcomeOf(row, results)).toMatchObject({ outcome: 'kept', tests: 3 });
  });

  it('is broken where one of them failed, with its name', () => {
    const results = [ran('does one', 'passed'), ran('does two', 'failed'), ran('ends', 'passed')];
    expect(outcomeOf(row, results)).toMatchObject({ outcome: 'broken', missed: ['a.test.ts: does two'] });
  });

  it('is not run where one of them did not run', () => {
    const results = [ran('does one', 'passed'), ran('ends', 'skipped')];
    expect(outcomeOf(row, results)).toMatchObject({ outcome: 'not run', missed: ['a.test.ts: ends'] });
    expect(outcomeOf(row, [ran('ends', 'passed')])).toMatchObject({
      outcome: 'not run',
      missed: ['a.test.ts: does %s'],
    });
  });

  it('does not take a test of another file for its own', () => {
    const results = [{ ...ran('does one', 'passed'), file: 'b.test.ts' }, ran('ends', 'passed')];
    expect(outcomeOf(row, results).outcome).toBe('not run');
  });
});

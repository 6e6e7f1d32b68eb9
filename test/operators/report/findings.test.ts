import { describe, expect, test } from 'vitest';
import { type FindingTables, findingLines, findings } from '../../../operators/report/findings.ts';
import { taskClasses } from '../../../operators/report/taskClass.ts';
import type { TableRow } from '../../../schemas/operators.ts';

const classOf = taskClasses({ factual: ['facts'], control: ['control'] });
const none: FindingTables = {
  correlationGroups: [],
  influencePerNat: [],
  answerTasks: [],
  kindTasks: [],
  sourceTasks: [],
};

const group = (task_a: string, task_b: string, pairs: number, mean_r: number | null, significant = 0): TableRow => ({
  task_a,
  task_b,
  pairs,
  mean_r,
  significant,
  undefined: 0,
});
const perNat = (task: string, values: number[], percent = 1): TableRow[] =>
  values.map((per_nat, q) => ({ query_id: `${task}-${q}`, task, percent, per_nat }));
const answers = (task: string, queries: number, answers_found: number): TableRow => ({
  task,
  depth: 500,
  queries,
  answers_found,
  queries_with_steps: 0,
  all_steps_found: 0,
});
const ranked =
  (column: 'kind' | 'source') =>
  (task: string, label: string, share: number, top: number, bottom = top) => ({
    task,
    [column]: label,
    k: 100,
    share_of_corpus: share,
    in_top_k: top,
    in_bottom_k: bottom,
  });
const kind = ranked('kind');
const source = ranked('source');

/** A world in which everything is as the paper found it. */
const paper: FindingTables = {
  correlationGroups: [
    group('slope', 'slope', 10, 0.6, 10),
    group('arithmetic', 'arithmetic', 30, 0.4, 25),
    group('arithmetic', 'slope', 20, 0.1, 2),
    group('facts', 'facts', 45, 0.05, 1),
    group('control', 'slope', 5, 0.3, 1),
  ],
  influencePerNat: [...perNat('facts', [2, 4, 6]), ...perNat('slope', [1, 1.5, 2]), ...perNat('facts', [1, 3], 0.1)],
  answerTasks: [answers('facts', 20, 11), answers('slope', 27, 2)],
  kindTasks: [
    kind('slope', 'code', 0.1, 30),
    kind('slope', 'other', 0.9, 70),
    kind('facts', 'code', 0.1, 5),
    kind('facts', 'other', 0.9, 95),
  ],
  sourceTasks: [
    source('facts', 'wikipedia', 0.2, 60),
    source('facts', 'github code', 0.8, 40),
    source('slope', 'wikipedia', 0.2, 10),
    source('slope', 'github code', 0.8, 90),
  ],
};
const verdicts = (tables: FindingTables) => findings(tables, classOf).map(({ verdict }) => verdict);

describe('findings', () => {
  test('replicate in a world that is as the paper found it', () => {
    expect(verdicts(paper)).toEqual(Array(5).fill('replicates'));
  });

  test('give each figure in words, with the paper beside it', () => {
    const [correlated, spread, answered, procedural, drawn] = findings(paper, classOf);
    expect(correlated.figure).toBe(
      'mean r 0.45 within a procedure (35 of 40 pairs significant), between procedures 0.10 (2 of 20 pairs significant), ' +
        'factual 0.05 (1 of 45 pairs significant), with look-alikes 0.30 (1 of 5 pairs significant)',
    );
    expect(correlated.value).toBeCloseTo(0.35, 12);
    expect(spread.figure).toBe(
      'top 1 % of positive documents: 1.5 ± 0.5 a nat for reasoning, 4 ± 2 for facts (smaller at 1 of 2 percentiles)',
    );
    expect(answered.figure).toBe(
      'answer in the top 500: 55.0 % (11 of 20) of factual, 7.4 % (2 of 27) of reasoning queries',
    );
    expect(procedural.figure).toBe(
      '30.0 % of the top 100 for reasoning are step by step, mathematics or code, 10.0 % of the corpus, 5.0 % for facts',
    );
    expect(drawn.figure).toBe(
      'facts draw on wikipedia ×3.0, github code ×0.5; reasoning on github code ×1.1, wikipedia ×0.5; code at both ends ×1.1',
    );
    const lines = findingLines([correlated, answered]);
    expect(lines[0]).toMatch(/^1\. procedures correlate, replicates: mean r 0\.45 .* \(paper: .*4e-8.*\)$/);
    expect(lines[1]).toMatch(
      /^3\. answers are seldom there, replicates: answer in the top 500: .* \(paper: 55 % .*\)$/,
    );
  });

  test('do not replicate in a world that is the other way round', () => {
    const turned = (task: unknown) => (task === 'facts' ? 'slope' : task === 'slope' ? 'facts' : task);
    const swap = (rows: readonly TableRow[]) => rows.map((row) => ({ ...row, task: turned(row.task) }) as TableRow);
    const reversed: FindingTables = {
      correlationGroups: [group('slope', 'slope', 10, 0.1), group('facts', 'facts', 10, 0.2)],
      influencePerNat: swap(paper.influencePerNat),
      answerTasks: swap(paper.answerTasks),
      kindTasks: swap(paper.kindTasks),
      sourceTasks: swap(paper.sourceTasks),
    };
    expect(verdicts(reversed)).toEqual(Array(5).fill('does not replicate'));
  });

  test('cannot be said without tasks, and say what is missing', () => {
    const found = findings(none, classOf);
    expect(found.map(({ verdict, value }) => [verdict, value])).toEqual(Array(5).fill(['cannot be said', null]));
    expect(found.map(({ reason }) => reason)).toEqual([
      'no reasoning task has two queries whose scores vary',
      'it takes two factual and two reasoning queries whose completions have a loss',
      'no factual query names its answers',
      'no reasoning task has ranked documents of a known kind',
      'the corpus names no sources',
    ]);
    expect(findingLines(found)[4]).toMatch(
      /^5\. sources differ, cannot be said: the corpus names no sources \(paper: /,
    );
  });

  test('cannot be said of sources whose names say nothing', () => {
    const rows = paper.sourceTasks.map(
      (row) => ({ ...row, source: row.source === 'wikipedia' ? 'a' : 'b' }) as TableRow,
    );
    const [, , , , drawn] = findings({ ...none, sourceTasks: rows }, classOf);
    expect(drawn.verdict).toBe('cannot be said');
    expect(drawn.reason).toMatch(/a ×3\.0.*their names do not say/);
  });

  test('leave out groups whose correlation is undefined, as with constant scores', () => {
    const rows = [group('slope', 'slope', 3, null), group('facts', 'facts', 3, null)];
    const [correlated] = findings({ ...none, correlationGroups: rows }, classOf);
    expect(correlated.reason).toBe('no reasoning task has two queries whose scores vary');
  });
});

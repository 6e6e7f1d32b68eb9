/** The paper's five findings, measured: what the statistics of this run say of each, and the paper's own figure beside it. */
import type { TableRow } from '../../schemas/operators.ts';
import { spreadOf } from '../accumulators/tasks/spread.ts';
import type { ClassOf, TaskClass } from './taskClass.ts';
import type { Columns } from './writeTable.ts';

/** Rows of the tables that the findings are drawn from, by the tables' own columns. */
export interface FindingTables {
  correlationGroups: readonly TableRow[];
  influencePerNat: readonly TableRow[];
  answerTasks: readonly TableRow[];
  kindTasks: readonly TableRow[];
  sourceTasks: readonly TableRow[];
}

export interface Finding {
  number: number;
  finding: string;
  statement: string;
  figure: string;
  /** What the verdict is read from: positive where the finding replicates; null where it cannot be said. */
  value: number | null;
  paper: string;
  verdict: 'replicates' | 'does not replicate' | 'cannot be said';
  /** Why it cannot be said, or what the verdict is read from. */
  reason: string;
}

export const findingColumns: Columns = {
  number: 'int32',
  finding: 'string',
  statement: 'string',
  figure: 'string',
  value: 'double?',
  paper: 'string',
  verdict: 'string',
  reason: 'string',
};

/** The figures of a measured finding, or why there are none. */
type Measured = { figure: string; value: number; reason: string } | { missing: string };

interface Claim {
  finding: string;
  statement: string;
  paper: string;
  measure(tables: FindingTables, classOf: ClassOf): Measured;
}

const claims: Claim[] = [
  {
    finding: 'procedures correlate',
    statement: 'The same documents move queries of the same procedure, and not queries for different facts',
    paper:
      'pairs of one procedure correlate (p < 4e-8), facts and unlike procedures mostly not; look-alikes 0.05 to 0.38',
    measure: correlation,
  },
  {
    finding: 'influence is spread',
    statement: 'For reasoning, influence per nat of the top documents is smaller and varies less than for facts',
    paper: 'smaller and less volatile for reasoning, at every percentile',
    measure: perNat,
  },
  {
    finding: 'answers are seldom there',
    statement: 'Answers stand in the top documents for facts, hardly ever for reasoning',
    paper: '55 % of factual and 7.4 % of reasoning queries (7B); 30 % and 0 % (35B)',
    measure: answers,
  },
  {
    finding: 'procedures are there',
    statement: 'The top documents for reasoning hold procedures: step by step solutions, formulae, code',
    paper: 'seen in the top documents of every kind of reasoning',
    measure: procedures,
  },
  {
    finding: 'sources differ',
    statement:
      'Facts draw on encyclopaedic sources; reasoning on mathematics, question threads and code, code at both ends',
    paper: 'Wikipedia and trivia for facts; maths, StackExchange, ArXiv and code for reasoning, code at both ends',
    measure: sources,
  },
];

/**
 * One finding a claim, in the paper's order. `classOf` says what a task asks for, null for a query without a task. A figure that the
 * tables do not hold makes the verdict 'cannot be said', with the reason.
 */
export function findings(tables: FindingTables, classOf: ClassOf): Finding[] {
  return claims.map(({ measure, ...claim }, i) => {
    const measured = measure(tables, classOf);
    const number = i + 1;
    if ('missing' in measured)
      return { number, ...claim, figure: '', value: null, verdict: 'cannot be said', reason: measured.missing };
    return { number, ...claim, ...measured, verdict: measured.value > 0 ? 'replicates' : 'does not replicate' };
  });
}

/** What a finding's line is made of, as it stands in a table too. */
type FindingLine = Pick<Finding, 'number' | 'finding' | 'figure' | 'reason' | 'paper'> & { verdict: string };

/** Five lines, each with its figure and the paper's. */
export function findingLines(found: readonly FindingLine[]): string[] {
  return found.map(({ number, finding, figure, reason, paper, verdict }) => {
    const measured = verdict === 'cannot be said' ? reason : figure;
    return `${number}. ${finding}, ${verdict}: ${measured} (paper: ${paper})`;
  });
}

/** Mean correlation of a set of pair groups, weighted by their pairs. */
interface PairMean {
  pairs: number;
  r: number;
  significant: number;
}

function correlation({ correlationGroups }: FindingTables, classOf: ClassOf): Measured {
  const within = (wanted: TaskClass) => pairMean(correlationGroups, (a, b) => a === b && classOf(a) === wanted);
  const procedure = within('reasoning');
  const between = pairMean(correlationGroups, (a, b) => a !== b && bothAre(classOf, a, b, 'reasoning'));
  const factual = within('factual');
  const alike = pairMean(correlationGroups, (a, b) => {
    const classes = [classOf(a), classOf(b)];
    return classes.includes('control') && classes.includes('reasoning');
  });
  if (!procedure) return { missing: 'no reasoning task has two queries whose scores vary' };
  if (!factual && !between) return { missing: 'there is one task only: nothing to compare its queries with' };
  const others = [
    ['between procedures', between],
    ['factual', factual],
    ['with look-alikes', alike],
  ] as const;
  const share = ({ significant, pairs }: PairMean) =>
    `${significant.toLocaleString('en')} of ${pairs.toLocaleString('en')} pairs significant`;
  const shown = others.flatMap(([name, mean]) => (mean ? `${name} ${mean.r.toFixed(2)} (${share(mean)})` : []));
  const highest = Math.max(...[between, factual].flatMap((mean) => mean?.r ?? []));
  return {
    figure: `mean r ${procedure.r.toFixed(2)} within a procedure (${share(procedure)}), ${shown.join(', ')}`,
    value: procedure.r - highest,
    reason: 'mean correlation within a procedure less the higher of those between procedures and within facts',
  };
}

const bothAre = (classOf: ClassOf, a: string, b: string, wanted: TaskClass): boolean =>
  classOf(a) === wanted && classOf(b) === wanted;

function pairMean(rows: readonly TableRow[], wanted: (a: string, b: string) => boolean): PairMean | null {
  const mean: PairMean = { pairs: 0, r: 0, significant: 0 };
  for (const row of rows) {
    if (row.mean_r === null || !wanted(String(row.task_a), String(row.task_b))) continue;
    const pairs = Number(row.pairs) - Number(row.undefined);
    mean.pairs += pairs;
    mean.r += pairs * Number(row.mean_r);
    mean.significant += Number(row.significant);
  }
  return mean.pairs > 0 ? { ...mean, r: mean.r / mean.pairs } : null;
}

/** The share of positively ranked documents that the second finding is read at, percent. */
const readAt = 1;

function perNat({ influencePerNat }: FindingTables, classOf: ClassOf): Measured {
  const percents = [...new Set(influencePerNat.map(({ percent }) => Number(percent)))].sort((a, b) => a - b);
  const compared = percents.map((percent) => {
    const of = (wanted: TaskClass) => spread(perNatAt(influencePerNat, percent, wanted, classOf));
    return { percent, facts: of('factual'), reasoning: of('reasoning') };
  });
  const at = compared.find(({ percent }) => percent >= readAt);
  if (!at?.facts || !at.reasoning)
    return { missing: 'it takes two factual and two reasoning queries whose completions have a loss' };
  const agreeing = compared.filter(({ facts, reasoning }) => facts && reasoning && reasoning.mean < facts.mean).length;
  const { percent, facts, reasoning } = at;
  const shown = ({ mean, deviation }: Spread) => `${threeDigits(mean)} ± ${threeDigits(deviation)}`;
  return {
    figure:
      `top ${percent} % of positive documents: ${shown(reasoning)} a nat for reasoning, ${shown(facts)} for facts ` +
      `(smaller at ${agreeing} of ${percents.length} percentiles)`,
    value: Math.min(1 - reasoning.mean / facts.mean, 1 - reasoning.deviation / facts.deviation),
    reason: `mean and standard deviation over queries at ${percent} %: both must be smaller for reasoning`,
  };
}

const threeDigits = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 });

function perNatAt(rows: readonly TableRow[], percent: number, wanted: TaskClass, classOf: ClassOf): number[] {
  return rows
    .filter((row) => row.percent === percent && row.per_nat !== null && classOf(String(row.task)) === wanted)
    .map((row) => Number(row.per_nat));
}

interface Spread {
  mean: number;
  deviation: number;
}

/** Null for fewer than two values, or a mean of 0. */
function spread(values: number[]): Spread | null {
  if (values.length < 2) return null;
  const { mean, standardDeviation } = spreadOf(values);
  return mean > 0 ? { mean, deviation: standardDeviation! } : null;
}

function answers({ answerTasks }: FindingTables, classOf: ClassOf): Measured {
  const of = (wanted: TaskClass) => {
    const rows = answerTasks.filter((row) => classOf(String(row.task)) === wanted);
    const sum = (column: string) => rows.reduce((total, row) => total + Number(row[column]), 0);
    return {
      queries: sum('queries'),
      found: sum('answers_found'),
      stepped: sum('queries_with_steps'),
      steps: sum('all_steps_found'),
    };
  };
  const [facts, reasoning] = [of('factual'), of('reasoning')];
  if (facts.queries === 0) return { missing: 'no factual query names its answers' };
  if (reasoning.queries === 0) return { missing: 'no reasoning query names its answers' };
  const depth = Math.max(...answerTasks.map((row) => Number(row.depth)));
  const share = ({ found, queries }: typeof facts) => `${percentOf(found, queries)} (${found} of ${queries})`;
  const steps = reasoning.stepped > 0 ? `, all of their steps ${percentOf(reasoning.steps, reasoning.stepped)}` : '';
  return {
    figure: `answer in the top ${depth}: ${share(facts)} of factual, ${share(reasoning)} of reasoning queries${steps}`,
    value: facts.found / facts.queries - reasoning.found / reasoning.queries,
    reason: 'share of factual queries less share of reasoning queries whose answer stands in a top document',
  };
}

const percentOf = (part: number, whole: number): string =>
  `${((100 * part) / whole).toFixed(part === whole ? 0 : 1)} %`;

/** Kinds of document that show how something is done. */
export const proceduralKinds: readonly string[] = ['step by step', 'mathematics', 'code'];

function procedures({ kindTasks }: FindingTables, classOf: ClassOf): Measured {
  const procedural = (row: TableRow) => proceduralKinds.includes(String(row.kind));
  const rows = atDepth(kindTasks);
  const reasoning = shareOf(rows, 'reasoning', classOf, procedural);
  const facts = shareOf(rows, 'factual', classOf, procedural);
  const corpus = corpusShare(rows, 'kind', procedural);
  if (!reasoning) return { missing: 'no reasoning task has ranked documents of a known kind' };
  if (corpus === null || corpus === 0) return { missing: 'the corpus holds no document of a procedural kind' };
  const compared = facts ? `, ${percentOf(facts.top, 1)} for facts` : '';
  return {
    figure: `${percentOf(reasoning.top, 1)} of the top ${reasoning.k} for reasoning are step by step, mathematics or code, ${percentOf(corpus, 1)} of the corpus${compared}`,
    value: reasoning.top - Math.max(corpus, facts?.top ?? 0),
    reason: 'share of procedural kinds in the top documents for reasoning less the higher of the corpus and the facts',
  };
}

/** Kinds of source by what their names hold: a row each. */
const sourceRules = [
  {
    kind: 'encyclopaedic',
    pattern:
      /wiki|encyclop|trivia|fact|atlas|geograph|gazetteer|almanac|reference|dictionar|definition|countr|elements/i,
  },
  {
    kind: 'technical',
    pattern:
      /math|arxiv|stack|exchange|code|github|program|algebra|arithmetic|equation|slope|formula|worked|procedure|science/i,
  },
] as const;

const isCode = (source: string): boolean => /code|github|program/i.test(source);

function sources({ sourceTasks }: FindingTables, classOf: ClassOf): Measured {
  const rows = atDepth(sourceTasks);
  if (rows.length === 0) return { missing: 'the corpus names no sources' };
  const kindOf = (source: string) => sourceRules.find(({ pattern }) => pattern.test(source))?.kind ?? 'other';
  const [facts, reasoning] = (['factual', 'reasoning'] as const).map((wanted) => ratios(rows, wanted, classOf));
  if (facts.length === 0 || reasoning.length === 0)
    return { missing: 'it takes a factual and a reasoning task whose top documents have sources' };
  const shown = (found: SourceRatio[]) =>
    found
      .slice(0, 3)
      .map(({ source, top }) => `${source} ×${top.toFixed(1)}`)
      .join(', ');
  const code = reasoning
    .filter(({ source }) => isCode(source))
    .reduce((most, { top, bottom }) => Math.max(most, Math.min(top, bottom)), 0);
  const figure = `facts draw on ${shown(facts)}; reasoning on ${shown(reasoning)}; code at both ends ×${code.toFixed(1)}`;
  if (![...facts, ...reasoning].some(({ source }) => kindOf(source) !== 'other'))
    return { missing: `${figure}; their names do not say which are encyclopaedic and which technical` };
  const replicates = kindOf(facts[0].source) === 'encyclopaedic' && kindOf(reasoning[0].source) === 'technical';
  return {
    figure,
    value: replicates ? Math.min(facts[0].top, reasoning[0].top) - 1 : 0,
    reason:
      'the most over-represented source must be encyclopaedic by its name for facts, and mathematics, code or a question thread for reasoning',
  };
}

interface SourceRatio {
  source: string;
  top: number;
  bottom: number;
}

/** Sources of a class of tasks, the most over-represented first, those that hold at least a hundredth of its top documents. */
function ratios(rows: TableRow[], wanted: TaskClass, classOf: ClassOf): SourceRatio[] {
  const own = rows.filter((row) => classOf(String(row.task)) === wanted);
  const names = [...new Set(own.map(({ source }) => String(source)))];
  return names
    .flatMap((source) => {
      const is = (row: TableRow) => row.source === source;
      const [share, of] = [corpusShare(own, 'source', is), shareOf(own, wanted, classOf, is)];
      return share && of && of.top >= 0.01 ? { source, top: of.top / share, bottom: of.bottom / share } : [];
    })
    .sort((a, b) => b.top - a.top);
}

/** The depth that findings are read at: 100, or the deepest there is above or below it. */
const depthWanted = 100;

function atDepth(rows: readonly TableRow[]): TableRow[] {
  const depths = [...new Set(rows.map(({ k }) => Number(k)))].sort((a, b) => a - b);
  const k = depths.findLast((depth) => depth <= depthWanted) ?? depths[0];
  return rows.filter((row) => row.k === k);
}

/** The share that the wanted labels have among the top and bottom k of a class of tasks; null where nothing is ranked. */
function shareOf(
  rows: readonly TableRow[],
  wanted: TaskClass,
  classOf: ClassOf,
  counts: (row: TableRow) => boolean,
): { top: number; bottom: number; k: number } | null {
  const own = rows.filter((row) => classOf(String(row.task)) === wanted);
  const sum = (column: string, only: TableRow[]) => only.reduce((total, row) => total + Number(row[column]), 0);
  const [top, bottom] = [sum('in_top_k', own), sum('in_bottom_k', own)];
  if (top === 0) return null;
  const chosen = own.filter(counts);
  return {
    top: sum('in_top_k', chosen) / top,
    bottom: sum('in_bottom_k', chosen) / Math.max(1, bottom),
    k: Number(own[0].k),
  };
}

/** The share that the wanted labels have of the corpus; null where it is not known. Every task repeats it: it is read once a label. */
function corpusShare(
  rows: readonly TableRow[],
  label: 'kind' | 'source',
  counts: (row: TableRow) => boolean,
): number | null {
  const shares = new Map(rows.filter(counts).map((row) => [row[label], row.share_of_corpus]));
  if ([...shares.values()].some((share) => share === null)) return null;
  return [...shares.values()].reduce<number>((sum, share) => sum + Number(share), 0);
}

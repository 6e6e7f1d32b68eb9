/** Writes a run folder made up from a seed: every table that the report reads, with texts and names that try to break it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { columnsRead, type TableName } from '../../../operators/report/reading/columns.ts';
import { type Columns, writeTable } from '../../../operators/report/writeTable.ts';
import type { TableRow } from '../../../schemas/operators.ts';

export interface SampleSettings {
  /** Each with so many queries; '' is no task. */
  tasks?: [task: string, queries: number][];
  /** Kept at either end; the text of each has this many tokens. */
  topK?: number;
  tokens?: number;
  withSources?: boolean;
  withAnswers?: boolean;
  /** Every score the same: no correlation, no slope. */
  constant?: boolean;
  /** Every query the same: each pair correlates perfectly. */
  identical?: boolean;
  /** Tables that are not written. */
  without?: TableName[];
}

const sampleTasks: [string, number][] = [
  ['arithmetic', 20],
  ['slope', 20],
  ['linear equation', 20],
  ['factual', 40],
  ['control', 10],
];
const sampleSources = [
  'encyclopaedia',
  'worked examples',
  'formulae',
  'code',
  'questions',
  'prose',
  '__proto__',
  '<b>noise</b>',
];
const sampleKinds = ['code', 'mathematics', 'step by step', 'question and answer', 'encyclopaedic'];
const depths = [10, 50, 100];
const corpusDocuments = 10_240;

/** What a page must show as text and never obey; the escape, the override of direction and the null are shown as what they are. */
export const hostileTexts = [
  '</script><img src=x onerror="alert(1)"><script>alert(2)</script>',
  '<!--<script>alert(3)//-->',
  '\u202egnp.exe\u202c שלום עולם \u0007\u001b[31m',
  '{{7*7}} {{style}} &lt;b&gt; $& \u2028 \u2029',
];
const words =
  'The slope of a line is rise over run so we divide the difference of y by that of x and write it down step'.split(
    ' ',
  );

/** Returns the folder. */
export async function writeSampleRun(folder: string, settings: SampleSettings = {}): Promise<string> {
  await mkdir(folder, { recursive: true });
  const sample = sampleOf(settings);
  const tables = tablesOf(sample);
  for (const [name, rows] of Object.entries(tables) as [TableName, TableRow[]][])
    if (!sample.without.includes(name))
      await writeTable(join(folder, `${name}.parquet`), columnsRead[name] as Columns, rows);
  await writeFile(join(folder, 'run.json'), JSON.stringify(runJson(sample), null, 2));
  return folder;
}

interface SampleQuery {
  id: string;
  task: string;
  taskIndex: number;
}
type Sample = Required<SampleSettings> & { queries: SampleQuery[]; random: () => number; named: string[] };

function sampleOf(settings: SampleSettings): Sample {
  const tasks = settings.tasks ?? sampleTasks;
  const queries = tasks.flatMap(([task, count], taskIndex) =>
    Array.from({ length: count }, (_, i) => ({ id: queryId(task, i), task, taskIndex })),
  );
  return {
    ...{ tasks, queries, topK: settings.topK ?? 60, tokens: settings.tokens ?? 120, without: settings.without ?? [] },
    ...{ withSources: settings.withSources ?? true, withAnswers: settings.withAnswers ?? true },
    ...{ constant: settings.constant ?? false, identical: settings.identical ?? false, random: randomNumbers(7) },
    named: tasks.map(([task]) => task).filter((task) => task !== ''),
  };
}

const queryId = (task: string, i: number): string =>
  task === 'slope' && i < 3 ? ['__proto__', '<i>slope</i>', 'constructor'][i] : `${task || 'query'}-${i + 1}`;

/** Mulberry32: the same numbers on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function tablesOf(sample: Sample): Record<TableName, TableRow[]> {
  const tokens: TableRow[] = [];
  return {
    top_documents: rankedRows(sample, 'top', tokens),
    bottom_documents: rankedRows(sample, 'bottom', tokens),
    bm25_documents: bm25Rows(sample),
    token_influence: tokens,
    ...correlationTables(sample),
    ...perNatTables(sample),
    ...powerLawTables(sample),
    ...overRepresentationTables(sample),
    ...answerTables(sample),
    shared_documents: sharedRows(sample),
    duplicates: duplicateRows(sample),
    skipped: Array.from({ length: 23 }, (_, i) => ({ reason: i < 20 ? 'one token' : 'null text' })),
    findings: findingRows(),
  };
}

/** Document n of the corpus: what it is called and where it stands, without its text. */
function placeOf(n: number, { withSources }: Sample): TableRow {
  const source = sampleSources[n % sampleSources.length];
  return {
    ...{ document_id: n % 97 === 0 ? `<u>${n}</u>` : `${source}/${n}`, source: withSources ? source : null },
    ...{ kind: sampleKinds[n % sampleKinds.length], file: `corpus/part-${n % 4}.parquet`, row: n >> 2 },
  };
}

const tokensOf = (n: number, { tokens }: Sample): string[] => [
  hostileTexts[n % hostileTexts.length],
  ...Array.from({ length: tokens }, (_, t) => ` ${words[(n * 7 + t * t) % words.length]}`),
];
const textOf = (n: number, sample: Sample): string => tokensOf(n, sample).join('');

function rankedRows(sample: Sample, end: 'top' | 'bottom', tokenRows: TableRow[]): TableRow[] {
  const sign = end === 'top' ? 1 : -0.8;
  return sample.queries.flatMap(({ id, taskIndex }, q) =>
    Array.from({ length: sample.topK }, (_, i) => {
      const n = (taskIndex * 131 + Math.floor(sample.random() ** 2 * 400) * 5 + i + (end === 'top' ? 0 : 5000)) % 8192;
      const score = sample.constant ? 0.25 : sign * 600 * (i + 1) ** (-0.3 - 0.002 * q) * (0.9 + 0.1 / (i + 1));
      const place = placeOf(n, sample);
      if (i < 5) tokenRows.push(...tokenRowsOf(n, { query_id: id, end, rank: i + 1 }, score, sample));
      return {
        ...{ ...place, query_id: id, rank: i + 1, score, text: textOf(n, sample) },
        ...{ one_token: i < 5 ? i === 3 : null, bm25: sample.random() * 20, bm25_rank: i % 3 === 0 ? i * 2 + 1 : null },
        duplicates: i % 11 === 5 ? 1 + (n % 4) : null,
      };
    }),
  );
}

function tokenRowsOf(n: number, place: TableRow, score: number, sample: Sample): TableRow[] {
  const shares = tokensOf(n, sample).map(() => (sample.random() - 0.3) ** 5);
  const sum = shares.reduce((total, share) => total + share, 0);
  return tokensOf(n, sample).map((token, position) => {
    return { ...place, position, token, influence: (score * shares[position]) / sum };
  });
}

function bm25Rows(sample: Sample): TableRow[] {
  return sample.queries.flatMap(({ id }, q) =>
    Array.from({ length: sample.topK }, (_, i) => {
      const n = (q * 17 + i * 3) % 8192;
      const kept = i % 4 === 0;
      return {
        ...{ ...placeOf(n, sample), query_id: id, rank: i + 1, bm25: 24 - i / 5, text: textOf(n, sample) },
        ...{ score: kept ? 100 - i : null, influence_rank: kept ? i + 2 : null },
      };
    }),
  );
}

function correlationTables({ queries, constant, identical, random, named }: Sample) {
  const pairs = queries.flatMap((a, i) => queries.slice(i + 1).map((b) => ({ a, b })));
  const correlations = pairs.map(({ a, b }) => {
    const base = a.task === b.task ? [0.62, 0.71, 0.5, 0.08, 0.2][a.taskIndex % 5] : 0.03;
    const r = identical ? 1 : Math.max(-1, Math.min(1, base + 0.25 * (random() - 0.5)));
    const of = { query_a: a.id, query_b: b.id, n: corpusDocuments };
    return constant
      ? { ...of, r: null, p: null, significant: null }
      : { ...of, r, p: identical ? 0 : 10 ** (-40 * Math.abs(r)), significant: Math.abs(r) > 0.06 };
  });
  const of = new Map(queries.map(({ id, task }) => [id, task]));
  const sorted = [...named].sort();
  const correlation_groups = sorted.flatMap((task_a, i) =>
    sorted.slice(i).map((task_b) => {
      const own = correlations.filter(
        ({ query_a, query_b }) => [of.get(query_a), of.get(query_b)].sort().join() === [task_a, task_b].join(),
      );
      const rs = own.flatMap(({ r }) => r ?? []);
      const mean_r = rs.length > 0 ? rs.reduce((sum, r) => sum + r, 0) / rs.length : null;
      return {
        ...{ task_a, task_b, pairs: own.length, mean_r, sd_r: mean_r && 0.07 },
        ...{ min_r: rs.length > 0 ? Math.min(...rs) : null, max_r: rs.length > 0 ? Math.max(...rs) : null },
        ...{ significant: own.filter(({ significant }) => significant).length, undefined: own.length - rs.length },
      };
    }),
  );
  return { correlations, correlation_groups };
}

const percents = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];

function perNatTables({ queries, tasks, named }: Sample) {
  const perNat = (taskIndex: number, percent: number): number => 40 * (1 + taskIndex) * percent ** 0.45;
  return {
    influence_per_nat: queries.flatMap(({ id, task, taskIndex }, q) =>
      percents.map((percent) => ({
        query_id: id,
        task,
        percent,
        per_nat: perNat(taskIndex, percent) * (1 + (q % 5) / 10),
      })),
    ),
    influence_per_nat_tasks: named.flatMap((task, i) =>
      percents.map((percent) => {
        const [mean, queries] = [perNat(i, percent), tasks.find(([name]) => name === task)![1]];
        const cv = 0.15 + 0.1 * i + 0.02 * Math.log10(percent);
        const spread =
          queries > 1
            ? { standard_deviation: cv * mean, coefficient_of_variation: cv }
            : { standard_deviation: null, coefficient_of_variation: null };
        return { task, percent, queries, mean, ...spread, min: mean * 0.6, max: mean * 1.7 };
      }),
    ),
  };
}

function powerLawTables({ queries, tasks, named, constant, topK }: Sample) {
  return {
    power_law: queries.map(({ id }, q) => {
      const fit = constant
        ? { slope: null, intercept: null, standard_error: null, r_squared: null }
        : { slope: -0.3 - 0.002 * q, intercept: 6.4, standard_error: 0.002, r_squared: 0.99 };
      return { query_id: id, documents: topK, ...fit };
    }),
    power_law_tasks: constant
      ? []
      : named.map((task, i) => ({
          ...{ task, queries: tasks.find(([name]) => name === task)![1] },
          ...{ mean_slope: -0.32 - 0.04 * i, sd_slope: 0.01, mean_r_squared: 0.99 },
        })),
  };
}

function overRepresentationTables(sample: Sample) {
  const names = { source: sample.withSources ? sampleSources : [], kind: sampleKinds };
  const rows = (column: 'source' | 'kind', index: number, name: string, i: number, k: number, queries: number) => {
    const share = 1 / names[column].length;
    const ratio = (shift: number): number =>
      (i + index + shift) % 5 === 0 ? 0 : 4 ** (((i * 3 + index * 2 + shift + (k === 100 ? 1 : 0)) % 7) / 3 - 1);
    const ratios = { top_ratio: ratio(0), bottom_ratio: ratio(3) };
    return {
      ...{ [column]: name, k, documents: corpusDocuments * share, share_of_corpus: share, ...ratios },
      in_top_k: Math.round(ratios.top_ratio * share * k * queries),
      in_bottom_k: Math.round(ratios.bottom_ratio * share * k * queries),
    };
  };
  const byTask = (column: 'source' | 'kind'): TableRow[] =>
    sample.tasks.flatMap(([task, queries], index) =>
      (task === '' ? [] : depths).flatMap((k) =>
        names[column].map((name, i) => {
          const significance = { over_represented: (i * 7 + index) % (queries + 1), bottom_over_represented: i % 3 };
          return { task, queries, ...significance, ...rows(column, index, name, i, k, queries) };
        }),
      ),
    );
  const byQuery = (column: 'source' | 'kind'): TableRow[] =>
    sample.queries.flatMap(({ id, taskIndex }) =>
      depths.flatMap((k) =>
        names[column].map((name, i) => ({ query_id: id, ...rows(column, taskIndex, name, i, k, 1) })),
      ),
    );
  return {
    ...{ sources: byQuery('source'), source_tasks: byTask('source') },
    ...{ kinds: byQuery('kind'), kind_tasks: byTask('kind') },
  };
}

function answerTables({ queries, tasks, topK, withAnswers }: Sample) {
  const answers = queries.flatMap(({ id, taskIndex }, q) =>
    ['answer', 'step'].map((what) => {
      const found = (q + taskIndex) % 3 === 0 && (what === 'answer') === taskIndex > 2;
      const where = found ? { rank: 1 + (q % 7), document_id: `code/${q}` } : { rank: null, document_id: null };
      return {
        query_id: id,
        what,
        text: what === 'answer' ? `Paris ${q}` : `${q} + 1`,
        found,
        ...where,
        documents: found ? 3 : 0,
        depth: topK,
      };
    }),
  );
  const answer_tasks = tasks.map(([task, count], i) => ({
    ...{ task, depth: topK, queries: count, answers_found: i > 2 ? Math.floor(count * 0.4) : Math.floor(count * 0.1) },
    ...{ queries_with_steps: count, any_step_found: Math.floor(count * 0.3), all_steps_found: Math.floor(count * 0.1) },
  }));
  return withAnswers ? { answers, answer_tasks } : { answers: [], answer_tasks: [] };
}

const sharedRows = (sample: Sample): TableRow[] =>
  sample.tasks.flatMap(([task, of], t) =>
    (task === '' || of < 2 ? [] : [0, 1, 2, 3, 4, 5]).map((i) => ({
      ...{
        ...placeOf((t * 131 + i * 5) % 8192, sample),
        task,
        queries: Math.max(2, Math.round(of * (0.9 - i / 10))),
        of,
      },
      depth: Math.min(100, sample.topK),
    })),
  );

const duplicateRows = (sample: Sample): TableRow[] =>
  [1, 2, 3, 4].flatMap((group) =>
    [0, 1, 2].map((i) => {
      const { document_id, source, file, row } = placeOf(group * 10 + i, sample);
      return {
        group,
        document_id,
        source,
        file,
        row,
        exact: i < 2,
        similarity: i < 2 ? 1 : 0.86,
        rankings: 12 - group - i,
      };
    }),
  );

function findingRows(): TableRow[] {
  const rows = [
    [
      'Influence correlates within a procedure',
      'Queries that need the same procedure are moved by the same documents.',
      'mean r 0.61 within reasoning tasks, 0.08 within facts',
      'significant within a procedure (p < 4e-8), mostly not between facts',
      'replicates',
      '3 of 3 reasoning tasks exceed every control',
    ],
    [
      'Reasoning draws less on each document',
      'Influence per nat is smaller for reasoning, and varies less.',
      '182 against 310 nats at 10 %',
      'smaller and less spread for reasoning',
      'replicates',
      'both the mean and the spread are smaller in 3 of 3 tasks',
    ],
    [
      'Answers stand in the documents for facts',
      'A top document holds the answer to a factual query more often than to a reasoning one.',
      '40 % of facts, 10 % of reasoning',
      '55 % of factual, 7.4 % of reasoning queries at 7B',
      'replicates',
      '16 of 40 against 6 of 60 queries',
    ],
    [
      'Top documents for reasoning hold procedures',
      'Step by step solutions, formulae and code are over-represented.',
      'code 1.3 ×, step by step 0.9 ×',
      'step-by-step solutions, formulae, code',
      'does not replicate',
      'step by step is under-represented in the small world',
    ],
    [
      'Sources differ',
      'Facts draw on encyclopaedias, reasoning on mathematics and code.',
      'no figure',
      'code at both ends of the ranking',
      'cannot be said',
      'the corpus has no source column',
    ],
  ];
  return rows.map(([finding, statement, figure, paper, verdict, reason], i) => {
    return { number: i + 1, finding, statement, figure, paper, verdict, reason };
  });
}

function runJson(sample: Sample): object {
  const { queries, topK, withSources } = sample;
  const modules = [0, 1, 2, 3].flatMap((layer) =>
    ['gate_proj', 'up_proj', 'down_proj'].map((name) => ({ name: `model.layers.${layer}.mlp.${name}` })),
  );
  return {
    ...{ headwater: '0.2.0', complete: true, score: 'A positive score: the document made the completion more likely.' },
    counts: {
      read: corpusDocuments + 23,
      scored: corpusDocuments,
      tokens: 812_345,
      setAside: { 'one token': 20, 'null text': 3, 'not finite': 0 },
    },
    queries: queries.map(({ id, task }, q) => {
      return {
        id,
        task,
        prompt: `Question ${q}: ${hostileTexts[q % 4]} What is the slope?`,
        completion: ` It is ${q}, in Paris ${q - (q % 2)}.`,
        nats: 0.4 + q / 50,
        tokens: 12 + (q % 9),
      };
    }),
    coverage: {
      modules,
      untracked: ['model.layers.0.self_attn.q_proj', 'model.layers.1.self_attn.q_proj'],
      trackedParameters: 540_672,
      parameters: 1_000_576,
    },
    configuration: {
      ...{
        folder: '/data/world',
        model: '/data/world/models/tuned',
        corpus: { files: ['/data/world/corpus/*.parquet'], sourceColumn: withSources ? 'source' : null },
      },
      ...{ preconditioner: { kind: 'ekfac', damping: { relative: 0.1 } }, topK, cosine: false, seed: 0 },
    },
    fingerprints: { corpus: [{}, {}, {}, {}] },
    versions: { node: '20.20.2', hyparquet: '1.31.5' },
    seconds: { prepare: 0.2, fit: 43.1, queries: 15.5, stream: 120.9, explain: 14.6, write: 12.9 },
  };
}

/**
 * Time and memory of the folds: `npx tsx bench/accumulators.ts [documents]`, 110 queries × 5,000,000 documents by default. The
 * folds are those of operators/accumulators/; those named in `check` are first held against a slow, obvious version.
 */
import { readdirSync } from 'node:fs';
import { serialize, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bm25Documents } from '../operators/accumulators/bm25Documents.ts';
import { type Correlations, correlations } from '../operators/accumulators/correlations.ts';
import { documentCounts } from '../operators/accumulators/documentCounts.ts';
import { type InfluenceDistribution, influenceDistribution } from '../operators/accumulators/influenceDistribution.ts';
import { influencePerNat } from '../operators/accumulators/influencePerNat.ts';
import { kindCounts } from '../operators/accumulators/kindCounts.ts';
import { countLabels, overRepresentation } from '../operators/accumulators/overRepresentation.ts';
import { powerLaw } from '../operators/accumulators/powerLaw.ts';
import { repeatedIds } from '../operators/accumulators/repeatedIds.ts';
import { sourceCounts } from '../operators/accumulators/sourceCounts.ts';
import { correlationGroups } from '../operators/accumulators/tasks/correlationGroups.ts';
import { type TopDocuments, topDocuments } from '../operators/accumulators/topDocuments.ts';
import { setAsideNotFinite } from '../operators/scores/setAsideNotFinite.ts';
import type { ScoreBatch } from '../schemas/batches.ts';
import type { FoldOperator, RunFacts } from '../schemas/operators.ts';
import { drawScores } from './drawScores.ts';
import { describeMachine, machineLines } from './machine.ts';

const documents = Number(process.argv[2] ?? 5_000_000);
/** Documents after which memory is measured first. */
const settled = Math.min(50_000, documents);
const topK = 500;
const tasks = ['facts', 'arithmetic', 'slopes', 'equations', 'controls'];

const factsOf = (queries: number): RunFacts => ({
  queries: Array.from({ length: queries }, (_, q) => `query ${q}`),
  tasks: Array.from({ length: queries }, (_, q) => tasks[q % tasks.length]),
  topK,
  seed: 0,
});

/** Every export of operators/accumulators/ that is a fold. */
async function listFolds(): Promise<FoldOperator[]> {
  const folder = new URL('../operators/accumulators/', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  const modules = await Promise.all(files.map((file) => import(new URL(file, folder).href)));
  return modules.flatMap((module) => Object.values(module as object)).filter((exported) => exported?.kind === 'fold');
}

const folded = <State, Result>(
  fold: FoldOperator<State, Result, undefined>,
  batches: ScoreBatch[],
  Q: number,
): Result => {
  const state = fold.empty(undefined, factsOf(Q));
  for (const batch of batches) fold.add(state, batch);
  return fold.result(state);
};

function check(): void {
  const Q = 5;
  const batches = Array.from({ length: 500 }, (_, i) => drawScores(i * 4, 4, Q));
  const columnsOf = (name: 'scores' | 'bm25') =>
    Array.from({ length: Q }, (_, q) =>
      batches.flatMap((batch) => Array.from(batch.key, (_, b) => batch[name]![b * Q + q])),
    );
  const columns = columnsOf('scores');
  checkRankings(batches, columns, columnsOf('bm25'));
  const { r, queryA, queryB } = folded(correlations, batches, Q);
  r.forEach((value, pair) => {
    agree('correlations', value, pearson(columns[queryA[pair]], columns[queryB[pair]]), 1e-12);
  });
  folded(influenceDistribution, batches, Q).forEach(({ positive: { count, lower } }, q) => {
    agree('influenceDistribution', count[0], columns[q].filter((score) => score >= lower[0]).length);
  });
  agree('sourceCounts', folded(sourceCounts, batches, Q).sources[0].documents, Math.ceil(2000 / 7));
  agree('kindCounts', folded(kindCounts, batches, Q).kinds[0].documents, 500);
  agree('documentCounts', folded(documentCounts, batches, Q).tokens, 2000 * 511);
  agree('repeatedIds', folded(repeatedIds, [...batches, batches[0]], Q).repeated, 4);
}

function checkRankings(batches: ScoreBatch[], scores: number[][], bm25: number[][]): void {
  const rank = (column: number[]) =>
    column.map((score, key) => ({ score, key })).sort((a, b) => b.score - a.score || a.key - b.key);
  const { top, bottom } = folded(topDocuments, batches, scores.length);
  const words = folded(bm25Documents, batches, scores.length);
  for (const [q, column] of scores.entries()) {
    const [ranked, byWords] = [rank(column), rank(bm25[q]).filter(({ score }) => score > 0)];
    const start = words.query.indexOf(q);
    for (let i = 0; i < topK; ++i) {
      agree('topDocuments', top.key[q * topK + i], ranked[i].key);
      agree('topDocuments', bottom.score[q * topK + i], ranked[ranked.length - 1 - i].score);
      if (i < byWords.length) agree('bm25Documents', words.key[start + i], byWords[i].key);
    }
  }
}

function pearson(x: number[], y: number[]): number {
  const centred = (column: number[]) => {
    const mean = column.reduce((sum, value) => sum + value, 0) / column.length;
    return column.map((value) => value - mean);
  };
  const dot = (u: number[], v: number[]) => u.reduce((sum, value, i) => sum + value * v[i], 0);
  const [u, v] = [centred(x), centred(y)];
  return dot(u, v) / Math.sqrt(dot(u, u) * dot(v, v));
}

function agree(name: string, got: number, expected: number, tolerance = 0): void {
  if (Math.abs(got - expected) > tolerance) throw new Error(`${name} gives ${got}, the slow version ${expected}`);
}

interface Memory {
  'resident, MB': number;
  'heap and buffers, MB': number;
  'states, MB': number;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** After a collection of garbage, so that only what is held counts. */
function memory(states: unknown[]): Memory {
  const megabytes = (bytes: number) => Number((bytes / 1e6).toFixed(1));
  const held = states.reduce((sum: number, state) => sum + serialize(state).length, 0);
  for (let i = 0; i < 3; ++i) collectGarbage();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return {
    'resident, MB': megabytes(rss),
    'heap and buffers, MB': megabytes(heapUsed + arrayBuffers),
    'states, MB': megabytes(held),
  };
}

/** Folds n documents into the states; gives the milliseconds spent in `setAsideNotFinite` and, behind it, in each fold. */
function stream(folds: FoldOperator[], states: unknown[], firstKey: number, n: number, B: number, Q: number): number[] {
  const spent = [0, ...folds.map(() => 0)];
  for (let key = firstKey; key < firstKey + n; key += B) {
    const batch = drawScores(key, B, Q);
    let now = performance.now();
    const lap = (i: number) => {
      const then = now;
      now = performance.now();
      spent[i] += now - then;
    };
    setAsideNotFinite(batch);
    lap(0);
    folds.forEach((fold, i) => {
      fold.add(states[i], batch);
      lap(i + 1);
    });
  }
  return spent;
}

const thousands = (value: number): string => Math.round(value).toLocaleString('en');

/** Time in each fold by number of queries and size of batches: a tenth of a million documents each. */
function compareShapes(folds: FoldOperator[]): void {
  const n = Math.min(100_000, documents);
  const rows = [16, 80, 110].flatMap((Q) =>
    [4, 64].map((B) => {
      const states = folds.map((fold) => fold.empty(undefined, factsOf(Q)));
      const spent = stream(folds, states, 0, n, B, Q);
      const total = spent.reduce((sum, milliseconds) => sum + milliseconds, 0);
      const names = ['set_aside_not_finite', ...folds.map(({ name }) => name)];
      const each = names.map((name, i) => [`${name}, µs`, ((spent[i] / n) * 1000).toFixed(2)]);
      return {
        queries: Q,
        'documents a batch': B,
        'documents/s': thousands((1000 * n) / total),
        ...Object.fromEntries(each),
      };
    }),
  );
  console.table(rows);
}

/** 110 queries over all documents: time by fold, memory at the start and at the end, and the statistics made from the results. */
function runLong(folds: FoldOperator[]): void {
  const [Q, B] = [110, 16];
  const states = folds.map((fold) => fold.empty(undefined, factsOf(Q)));
  const begun = performance.now();
  const first = stream(folds, states, 0, settled, B, Q);
  const before = memory(states);
  const rest = stream(folds, states, settled, documents - settled, B, Q);
  const wall = (performance.now() - begun) / 1000;
  const after = memory(states);
  const seconds = first.map((milliseconds, i) => (milliseconds + rest[i]) / 1000);
  const total = seconds.reduce((sum, s) => sum + s, 0);
  console.log(`\n${Q} queries × ${thousands(documents)} documents, ${B} a batch, top ${topK}:`);
  const names = ['set_aside_not_finite', ...folds.map(({ name }) => name)];
  const row = (fold: string, s: number) => ({ fold, seconds: s.toFixed(1), 'documents/s': thousands(documents / s) });
  console.table([...names.map((name, i) => row(name, seconds[i])), row('all', total), row('with drawing', wall)]);
  const growth = Object.keys(before).map((name) => {
    const [from, to] = [before[name as keyof Memory], after[name as keyof Memory]];
    return { memory: name, [`at ${thousands(settled)}`]: from, [`at ${thousands(documents)}`]: to, 'growth, %': ((to / from - 1) * 100).toFixed(1) }; // biome-ignore format: a row
  });
  console.table(growth);
  timeStatistics(Object.fromEntries(folds.map((fold, i) => [fold.name, fold.result(states[i])])), factsOf(Q));
}

/** What is computed once, at the end, from the results of the folds. */
function timeStatistics(results: Record<string, unknown>, { queries, tasks }: RunFacts): void {
  const top = results.top_documents as TopDocuments;
  const labels = Array.from({ length: 7 }, (_, i) => ({ label: `source ${i}`, documents: Math.floor(documents / 7) }));
  const size = { queries: queries.length, topK };
  const sources = () => countLabels(top, { documents, labels, givenUp: false }, (key) => labels[key % 7].label, size);
  const statistics: Record<string, () => unknown> = {
    influencePerNat: () =>
      influencePerNat(top, results.influence_distribution as InfluenceDistribution[], Array(queries.length).fill(3)),
    powerLaw: () => powerLaw(top, queries.length),
    correlationGroups: () => correlationGroups(results.correlations as Correlations, tasks),
    'overRepresentation of 7 sources': () => [...overRepresentation(sources())],
  };
  const rows = Object.entries(statistics).map(([statistic, compute]) => {
    const start = performance.now();
    compute();
    return { statistic, milliseconds: (performance.now() - start).toFixed(1) };
  });
  console.table(rows);
}

check();
console.log(machineLines(describeMachine()));
const folds = await listFolds();
compareShapes(folds);
runLong(folds);

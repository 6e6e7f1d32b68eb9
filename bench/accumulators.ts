/**
 * Documents per second through every fold: `npx tsx bench/accumulators.ts [documents]`. Each fold is first checked against a slow,
 * obvious version.
 */
import { cpus } from 'node:os';
import { correlations } from '../operators/accumulators/correlations.ts';
import { documentCounts } from '../operators/accumulators/documentCounts.ts';
import { repeatedIds } from '../operators/accumulators/repeatedIds.ts';
import { sourceCounts } from '../operators/accumulators/sourceCounts.ts';
import { topDocuments } from '../operators/accumulators/topDocuments.ts';
import { setAsideNotFinite } from '../operators/scores/setAsideNotFinite.ts';
import type { ScoreBatch } from '../schemas/batches.ts';
import type { FoldOperator, RunFacts } from '../schemas/operators.ts';

const folds = [topDocuments, correlations, sourceCounts, documentCounts, repeatedIds] as FoldOperator[];
const documents = Number(process.argv[2] ?? 1_000_000);
const topK = 500;

const factsOf = (queries: number): RunFacts => ({
  queries: Array.from({ length: queries }, (_, q) => `query ${q}`),
  tasks: Array(queries).fill(''),
  topK,
  seed: 0,
});

/** Sums of three uniform numbers out of a table, so that drawing them costs nothing beside the folds. */
const table = Float64Array.from({ length: 2 ** 20 }, () => Math.random() + Math.random() + Math.random() - 1.5);

function batchAt(firstKey: number, B: number, queries: number): ScoreBatch {
  const start = Math.floor(Math.random() * (table.length - B * queries));
  const rows = Array.from({ length: B }, (_, b) => firstKey + b);
  return {
    batch: firstKey / B,
    key: Float64Array.from(rows),
    file: new Uint32Array(B),
    row: Float64Array.from(rows),
    id: rows.map((row) => `data/train-00000.parquet:${row}`),
    source: rows.map((row) => `source ${row % 7}`),
    setAside: [],
    extra: {},
    queries,
    tokens: new Uint32Array(B).fill(511),
    loss: Float64Array.from(rows, (row) => 1000 + (row % 100) / 7),
    scores: table.slice(start, start + B * queries),
  };
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
  const batches = Array.from({ length: 500 }, (_, i) => batchAt(i * 4, 4, Q));
  const columns = Array.from({ length: Q }, (_, q) =>
    batches.flatMap(({ scores, key }) => Array.from(key, (_, b) => scores[b * Q + q])),
  );
  const { top, bottom } = folded(topDocuments, batches, Q);
  columns.forEach((column, q) => {
    const ranked = column.map((score, key) => ({ score, key })).sort((a, b) => b.score - a.score || a.key - b.key);
    for (let i = 0; i < topK; ++i) {
      agree('topDocuments', top.key[q * topK + i], ranked[i].key);
      agree('topDocuments', bottom.score[q * topK + i], ranked[ranked.length - 1 - i].score);
    }
  });
  const { r, queryA, queryB } = folded(correlations, batches, Q);
  r.forEach((value, pair) => {
    agree('correlations', value, pearson(columns[queryA[pair]], columns[queryB[pair]]), 1e-12);
  });
  agree('sourceCounts', folded(sourceCounts, batches, Q).sources[0].documents, Math.ceil(2000 / 7));
  agree('documentCounts', folded(documentCounts, batches, Q).tokens, 2000 * 511);
  agree('repeatedIds', folded(repeatedIds, [...batches, batches[0]], Q).repeated, 4);
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

/** Seconds per document in each fold, drawing the batches not counted. */
function time(Q: number, B: number): number[] {
  const states = folds.map((fold) => fold.empty(undefined, factsOf(Q)));
  const spent = [...folds, null].map(() => 0);
  for (let key = 0; key < documents; key += B) {
    const batch = batchAt(key, B, Q);
    let now = performance.now();
    const lap = (i: number) => {
      const then = now;
      now = performance.now();
      spent[i] += now - then;
    };
    setAsideNotFinite(batch);
    lap(folds.length);
    folds.forEach((fold, i) => {
      fold.add(states[i], batch);
      lap(i);
    });
  }
  return spent.map((milliseconds) => milliseconds / 1000 / documents);
}

check();
console.log(`${cpus()[0].model}, ${cpus().length} cores, Node ${process.version}; ${documents} documents, top ${topK}`);
const rows: Record<string, string | number>[] = [];
for (const Q of [16, 80, 110])
  for (const B of [4, 64]) {
    const seconds = time(Q, B);
    const row: Record<string, string | number> = {
      queries: Q,
      'documents a batch': B,
    };
    row['documents/s, all folds'] = Math.round(1 / seconds.reduce((sum, s) => sum + s, 0));
    [...folds.map(({ name }) => name), 'set_aside_not_finite'].forEach((name, i) => {
      row[`${name}, µs`] = (seconds[i] * 1e6).toFixed(2);
    });
    rows.push(row);
  }
console.table(rows);

/** The laws of a fold as tests: what makes parallel folds, checkpoints and shards right. Call `foldLaws(fold)` in a test file. */
import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ExtraColumn, ScoreBatch, SetAsideReason } from '../../../schemas/batches.ts';
import type { FoldOperator, RunFacts } from '../../../schemas/operators.ts';

export interface FoldLawOptions<Result, Settings> {
  /** Shown in the tests' titles. */
  title?: string;
  settings?: Settings;
  facts?: RunFacts;
  /** Columns that the fold reads from `extra`, and what stands in them. */
  extra?: Record<string, fc.Arbitrary<number> | fc.Arbitrary<string>>;
  /** Whether documents carry BM25 scores. */
  bm25?: boolean;
  /** Fails when two results differ by more than rounding may; by default, when they differ at all. */
  same?: (got: Result, expected: Result) => void;
  runs?: number;
}

/** One document as the laws draw it; a reason stands where it was set aside. */
export interface DrawnDocument {
  id: string;
  source: string;
  tokens: number;
  loss: number;
  scores: number[];
  bm25?: number[] | null;
  extra: Record<string, number | string>;
  reason: SetAsideReason | null;
}

export const lawFacts: RunFacts = { queries: ['a', 'b', 'c'], tasks: ['', '', ''], topK: 4, seed: 0 };

/** Scores on a grid: equal ones are common, and a query's variance is either nothing or well above rounding. */
const drawnScore = fc.oneof(
  fc.integer({ min: -2, max: 2 }),
  fc.integer({ min: -1600, max: 1600 }).map((sixteenths) => sixteenths / 16),
);

type DrawnColumns = Pick<FoldLawOptions<unknown, unknown>, 'extra' | 'bm25'>;

/** Never negative; often 0, as where a document shares no word with a query. */
const drawnBm25 = fc.integer({ min: -4, max: 40 }).map((quarters) => Math.max(0, quarters) / 4);

const drawnDocument = (queries: number, { extra = {}, bm25 = false }: DrawnColumns) =>
  fc.record({
    id: fc.integer({ min: 0, max: 12 }).map((i) => `d${i}`),
    source: fc.constantFrom('', 'wiki', 'code', 'books', '__proto__'),
    tokens: fc.integer({ min: 1, max: 511 }),
    loss: fc.double({ min: 0, max: 5000, noNaN: true }),
    scores: fc.array(drawnScore, { minLength: queries, maxLength: queries }),
    bm25: bm25 ? fc.array(drawnBm25, { minLength: queries, maxLength: queries }) : fc.constant(null),
    extra: fc.record(extra as Record<string, fc.Arbitrary<number | string>>),
    reason: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, fc.constantFrom('one token', 'not finite')),
  }) as fc.Arbitrary<DrawnDocument>;

/** A corpus as batches in reading order: any sizes, empty ones too. */
export const drawnBatches = (facts: RunFacts, columns: DrawnColumns = {}) =>
  fc
    .record({
      documents: fc.array(drawnDocument(facts.queries.length, columns), { maxLength: 40 }),
      sizes: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 12 }),
      sourced: fc.boolean(),
    })
    .map(({ documents, sizes, sourced }) => inBatches(documents, sizes, sourced));

/** Cuts documents into batches of the given sizes, the rest into a last one. */
export function inBatches(documents: DrawnDocument[], sizes: number[], sourced = true): ScoreBatch[] {
  const batches: ScoreBatch[] = [];
  let start = 0;
  for (const size of [...sizes, documents.length]) {
    batches.push(asBatch(documents.slice(start, start + size), batches.length, start, sourced));
    start += size;
  }
  return batches;
}

function asBatch(documents: DrawnDocument[], batch: number, firstKey: number, sourced: boolean): ScoreBatch {
  const place = documents.map((document, i) => ({ document, key: firstKey + i }));
  const scored = place.filter(({ document }) => document.reason === null);
  const extra: Record<string, ExtraColumn> = {};
  for (const name of Object.keys(documents[0]?.extra ?? {})) {
    const column = scored.map(({ document }) => document.extra[name]);
    extra[name] = column.every((value) => typeof value === 'number') ? Float64Array.from(column) : column.map(String);
  }
  return {
    batch,
    key: Float64Array.from(scored, ({ key }) => key),
    file: Uint32Array.from(scored, ({ key }) => key / 10),
    row: Float64Array.from(scored, ({ key }) => key % 10),
    id: scored.map(({ document }) => document.id),
    source: sourced ? scored.map(({ document }) => document.source) : null,
    setAside: place.flatMap(({ document: { id, reason }, key }) =>
      reason === null ? [] : [{ key, file: Math.floor(key / 10), row: key % 10, id, reason, detail: '' }],
    ),
    extra,
    bm25: documents[0]?.bm25 ? Float64Array.from(scored.flatMap(({ document }) => document.bm25 ?? [])) : null,
    queries: documents[0]?.scores.length ?? 0,
    tokens: Uint32Array.from(scored, ({ document }) => document.tokens),
    loss: Float64Array.from(scored, ({ document }) => document.loss),
    scores: Float64Array.from(scored.flatMap(({ document }) => document.scores)),
  };
}

export function foldLaws<State, Result, Settings>(
  fold: FoldOperator<State, Result, Settings>,
  options: FoldLawOptions<Result, Settings> = {},
): void {
  const { facts = lawFacts, title = fold.name, runs = 60 } = options;
  const same = options.same ?? ((got, expected) => expect(got).toEqual(expected));
  const empty = (): State => fold.empty(options.settings as Settings, facts);
  const folded = (batches: ScoreBatch[], state = empty()): State => {
    for (const batch of batches) fold.add(state, batch);
    return state;
  };
  const merged = (...states: State[]): State =>
    states.reduce((into, from) => {
      fold.merge(into, from);
      return into;
    }, empty());
  const parts = fc.array(drawnBatches(facts, options), { minLength: 3, maxLength: 3 });
  const forParts = (property: (a: ScoreBatch[], b: ScoreBatch[], c: ScoreBatch[]) => void) =>
    fc.assert(
      fc.property(parts, ([a, b, c]) => property(...inReadingOrder(a, b, c))),
      { numRuns: runs },
    );

  describe(`${title} obeys the laws of a fold`, () => {
    test('merging the folds of parts in reading order gives the fold of the whole', () =>
      forParts((a, b, c) => {
        const whole = fold.result(folded([...a, ...b, ...c]));
        same(fold.result(merged(folded(a), folded(b), folded(c))), whole);
        same(fold.result(merged(...[...a, ...b, ...c].map((batch) => folded([batch])))), whole);
      }));

    test('batches of any other sizes give the same result', () => {
      const corpus = fc.array(drawnDocument(facts.queries.length, options), { maxLength: 60 });
      const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 12 });
      const property = fc.property(corpus, sizes, (documents, drawn) => {
        const whole = folded(inBatches(documents, [documents.length]));
        same(fold.result(folded(inBatches(documents, drawn))), fold.result(whole));
      });
      fc.assert(property, { numRuns: runs });
    });

    test('merge is associative', () =>
      forParts((a, b, c) => {
        const left = merged(folded(a), folded(b));
        fold.merge(left, folded(c));
        const right = folded(b);
        fold.merge(right, folded(c));
        same(fold.result(left), fold.result(merged(folded(a), right)));
      }));

    test('an empty state changes nothing when merged from either side', () =>
      forParts((a) => {
        const alone = fold.result(folded(a));
        const after = folded(a);
        fold.merge(after, empty());
        expect(fold.result(after)).toEqual(alone);
        expect(fold.result(merged(folded(a)))).toEqual(alone);
      }));

    test('a state written to a checkpoint halfway goes on as if it had not been', () =>
      forParts((a, b) => {
        const restored = deserialize(serialize(folded(a))) as State;
        expect(fold.result(folded(b, restored))).toEqual(fold.result(folded([...a, ...b])));
      }));

    test('two empty states share no memory, and merging leaves none shared', () =>
      forParts((a, b) => {
        const [used, fresh] = [empty(), empty()];
        expect(sharedObjects(used, fresh)).toEqual([]);
        const from = folded(b);
        const before = fold.result(structuredClone(from));
        fold.merge(used, from);
        expect(fold.result(from)).toEqual(before);
        expect(sharedObjects(used, from)).toEqual([]);
        folded(a, used);
        expect(fold.result(fresh)).toEqual(fold.result(empty()));
      }));

    test('adding leaves the batch as it was, and taking the result leaves the state as it was', () =>
      forParts((a, b) => {
        const copy = structuredClone(a);
        const state = folded(a);
        expect(a).toEqual(copy);
        const first = structuredClone(fold.result(state));
        expect(fold.result(state)).toEqual(first);
        expect(fold.result(folded(b, state))).toEqual(fold.result(folded([...a, ...b])));
      }));
  });
}

/** Numbers the keys of three corpora on, so that together they are one corpus in reading order. */
function inReadingOrder(...parts: ScoreBatch[][]): [ScoreBatch[], ScoreBatch[], ScoreBatch[]] {
  let offset = 0;
  return parts.map((batches) => {
    const start = offset;
    return batches.map((batch) => {
      const setAside = batch.setAside.map((document) => ({ ...document, key: document.key + start }));
      offset += batch.key.length + setAside.length;
      return { ...batch, key: batch.key.map((key) => key + start), setAside };
    });
  }) as [ScoreBatch[], ScoreBatch[], ScoreBatch[]];
}

/** The objects, arrays and buffers that can be reached from both values. */
function sharedObjects(one: unknown, other: unknown): object[] {
  const reached = reachable(one);
  return [...reachable(other)].filter((object) => reached.has(object));
}

function reachable(value: unknown, seen = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null || seen.has(value)) return seen;
  seen.add(value);
  if (ArrayBuffer.isView(value)) seen.add(value.buffer);
  else if (value instanceof Map || value instanceof Set) for (const entry of value) reachable(entry, seen);
  else for (const field of Object.values(value)) reachable(field, seen);
  return seen;
}

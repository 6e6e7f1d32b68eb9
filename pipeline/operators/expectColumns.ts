/** Checks that a batch a user's own map gives has every column of its noun, of the type and length that the next step reads. */
import type { TokenWindows } from '../../schemas/batches.ts';
import type { Noun } from '../../schemas/operators.ts';

type Columns = Record<string, unknown>;

/** A column: its name, the types it may have, and its length, null where any does. */
type ColumnRule = readonly [name: string, types: readonly TypeName[], length: number | null];

const numbers = (name: string) => (value: unknown) => ArrayBuffer.isView(value) && value.constructor.name === name;
const listOf = (type: string) => (value: unknown) =>
  Array.isArray(value) && value.every((entry) => typeof entry === type && entry !== null);

const types = {
  Float64Array: numbers('Float64Array'),
  Float32Array: numbers('Float32Array'),
  Uint32Array: numbers('Uint32Array'),
  Int32Array: numbers('Int32Array'),
  'string[]': listOf('string'),
  'object[]': listOf('object'),
  object: (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value),
  null: (value: unknown) => value === null || value === undefined,
};
type TypeName = keyof typeof types;

/** `queries`: Q. Throws an Error that names the first column that is amiss, what was expected and what came. */
export function expectColumns(batch: Columns, noun: Noun, queries: number): void {
  for (const rule of documentColumns(batch, queries)) expectColumn(batch, rule);
  for (const rule of nounColumns[noun](batch, queries)) expectColumn(batch, rule);
  expectQueries(batch, noun, queries);
  expectWindows(batch);
}

function documentColumns({ key, extra, bm25 }: Columns, queries: number): ColumnRule[] {
  const B = lengthOf(key) ?? 0;
  return [
    ['key', ['Float64Array'], null],
    ['file', ['Uint32Array'], B],
    ['row', ['Float64Array'], B],
    ['id', ['string[]'], B],
    ['source', ['string[]', 'null'], B],
    ['setAside', ['object[]'], null],
    ['extra', ['object'], null],
    ...Object.keys(extra ?? {}).map((name): ColumnRule => [`extra.${name}`, ['Float64Array', 'string[]'], B]),
    ['bm25', ['Float64Array', 'null'], bm25 ? B * queries : null],
  ];
}

const nounColumns: Record<Noun, (batch: Columns, queries: number) => ColumnRule[]> = {
  documents: ({ key }) => [['text', ['string[]'], lengthOf(key)]],
  tokenWindows({ windows }) {
    const { document, start } = (windows ?? {}) as Partial<TokenWindows>;
    const W = lengthOf(document) ?? 0;
    return [
      ['windows', ['object'], null],
      ['windows.document', ['Uint32Array'], null],
      ['windows.start', ['Uint32Array'], W + 1],
      ['windows.ids', ['Int32Array'], start?.[W] ?? 0],
      ['windows.lossFrom', ['Uint32Array'], W],
    ];
  },
  projectedGradients({ document, projected }) {
    const W = lengthOf(document) ?? 0;
    const rows = (block: unknown) => W * Math.ceil((lengthOf(block) ?? 0) / Math.max(W, 1));
    const blocks = Array.isArray(projected) ? projected : [];
    return [
      ['document', ['Uint32Array'], null],
      ['tokens', ['Uint32Array'], W],
      ['loss', ['Float64Array'], W],
      ['projected', ['object[]'], null],
      ...blocks.map((block, m): ColumnRule => [`projected.${m}`, ['Float32Array'], rows(block)]),
      ['squaredNorm', ['Float64Array', 'null'], W],
    ];
  },
  scores({ key }, queries) {
    const B = lengthOf(key) ?? 0;
    return [
      ['tokens', ['Uint32Array'], B],
      ['loss', ['Float64Array'], B],
      ['scores', ['Float64Array'], B * queries],
    ];
  },
};

function expectColumn(batch: Columns, [name, allowed, length]: ColumnRule): void {
  const value = valueAt(batch, name);
  const found = lengthOf(value);
  if (allowed.some((type) => types[type](value)) && (length === null || found === null || found === length)) return;
  const wanted = allowed.map((type) => (/Array|\[\]/.test(type) && length !== null ? `${type} of ${length}` : type));
  throw new Error(`expected ${name} to be ${wanted.join(' or ')}, got ${describeValue(value)}`);
}

/** `windows.ids`, `extra.a.b`: what stands behind the first dot is one name. */
function valueAt(batch: Columns, name: string): unknown {
  const dot = name.indexOf('.');
  if (dot < 0) return batch[name];
  return (batch[name.slice(0, dot)] as Columns | undefined)?.[name.slice(dot + 1)];
}

function lengthOf(value: unknown): number | null {
  return Array.isArray(value) || ArrayBuffer.isView(value) ? (value as ArrayLike<unknown>).length : null;
}

export function describeValue(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${lengthOf(value)}`;
  return value === null ? 'null' : typeof value;
}

/** A slice without documents has no scores to count the queries by. */
function expectQueries({ queries, key }: Columns, noun: Noun, wanted: number): void {
  if (noun !== 'scores' || queries === wanted || (queries === 0 && lengthOf(key) === 0)) return;
  throw new Error(`expected queries to be ${wanted}, got ${String(queries)}`);
}

/** Windows follow each other, and windows and gradients point at documents of their batch. */
function expectWindows(batch: Columns): void {
  const {
    key,
    windows,
    document = windows?.document,
  } = batch as {
    key: Float64Array;
    windows?: TokenWindows;
    document?: Uint32Array;
  };
  const stranger = document?.find((b) => b >= key.length);
  if (stranger !== undefined)
    throw new Error(`expected document to hold places among ${key.length} documents, got ${stranger}`);
  const back = windows?.start.findIndex((at, w, start) => (w === 0 ? at !== 0 : at < start[w - 1])) ?? -1;
  if (back >= 0) throw new Error(`expected windows.start to ascend from 0, got ${windows?.start[back]} at ${back}`);
}

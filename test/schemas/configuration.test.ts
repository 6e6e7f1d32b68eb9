import { describe, expect, it } from 'vitest';
import {
  configurationJsonSchema,
  configurationRows,
  configurationSchema,
  defaultsTable,
} from '../../schemas/configuration.ts';

const least = { model: './model', corpus: { files: ['a.parquet'] }, queries: 'queries.jsonl' };

interface Level {
  type?: string;
  properties?: Record<string, Level>;
  items?: Level;
  anyOf?: Level[];
  oneOf?: Level[];
  additionalProperties?: unknown;
}

/** Every mapping of the schema that has named keys. */
function mappings(level: Level): Level[] {
  const inner = [
    ...Object.values(level.properties ?? {}),
    ...(level.items ? [level.items] : []),
    ...(level.anyOf ?? []),
    ...(level.oneOf ?? []),
  ];
  return [...(level.properties ? [level] : []), ...inner.flatMap(mappings)];
}

/** Of a key that only some kinds have: those kinds, as its meaning ends. */
function kindsOf({ key, meaning }: { key: string; meaning: string }): string[] | null {
  if (!/^(preconditioner|projection)\.(?!kind$)/.test(key)) return null;
  return /\(([^(]*)\)$/.exec(meaning)![1].split(', ');
}

/** `{corpus: {limit: 3}}` over the least configuration. */
function withKey(key: string, value: unknown, kind?: string): unknown {
  const [outer, ...rest] = key.split('.');
  if (rest.length === 0) return { ...least, [outer]: value };
  const base = (least as Record<string, unknown>)[outer] ?? {};
  const inner = rest.reduceRight<unknown>((deeper, name) => ({ [name]: deeper }), value);
  return { ...least, [outer]: { ...(base as object), ...(kind ? { kind } : {}), ...(inner as object) } };
}

const accepts = (value: unknown): boolean => configurationSchema.safeParse(value).success;

describe('configurationSchema', () => {
  it('fills in every default', () => {
    expect(configurationSchema.parse(least)).toEqual({
      model: './model',
      corpus: {
        files: ['a.parquet'],
        textColumn: 'text',
        skip: 0,
        onBadFile: 'fail',
        onBadRow: 'setAside',
        invalidText: 'setAside',
        readSeconds: 120,
      },
      queries: 'queries.jsonl',
      modules: ['*.mlp.*'],
      contextTokens: 512,
      longDocuments: 'cut',
      preconditioner: { kind: 'ekfac', damping: {} },
      projection: { kind: 'queryAdaptive', k: 256, cacheMiB: 4096, widths: 'shared', rounds: 0 },
      fit: { documents: 1000, labels: 'sampled', blocks: 1, memoryMiB: 4096 },
      cosine: false,
      topK: 500,
      explain: { documents: 5 },
      tasks: { factual: ['fact*'], control: ['control*'] },
      bm25: true,
      keepScores: false,
      operators: [],
      seed: 0,
      chatTemplate: false,
      maxNewTokens: 64,
      batchTokens: 512,
      slice: { documents: 256, tokens: 4096, rows: 512 },
      maxSkipped: { share: 0.1 },
      checkpoint: { seconds: 60 },
      supervisor: { maxCrashes: 30, batchSeconds: 900 },
      pool: { workers: null, threadsPerWorker: 1, credits: null, prepack: true },
    });
  });

  it('gives two runs two sets of defaults', () => {
    const first = configurationSchema.parse(least);
    first.modules.push('changed');
    first.operators.push({ path: 'changed', settings: {} });
    first.pool.workers = 7;
    Object.assign(first.projection, { k: 1 });
    expect(configurationSchema.parse(least)).not.toEqual(first);
    expect(configurationSchema.parse(least).modules).toEqual(['*.mlp.*']);
    expect(configurationSchema.parse(least).projection).toMatchObject({ kind: 'queryAdaptive', k: 256 });
  });

  it('refuses an unknown key at every level', () => {
    const levels = mappings(configurationJsonSchema() as Level);
    expect(levels.length).toBeGreaterThanOrEqual(8);
    for (const level of levels) expect(level.additionalProperties).toBe(false);
  });

  it('takes every whole number of its range and none beside it', () => {
    const ranged = configurationRows().filter(({ values }) => /^\d+ to [\d,]+/.test(values));
    expect(ranged.length).toBeGreaterThanOrEqual(9);
    for (const row of ranged) {
      const { key, values } = row;
      const kind = kindsOf(row)?.[0];
      const [low, high] = values.split(' to ').map((text) => Number.parseInt(text.replaceAll(',', ''), 10));
      for (const good of [low, high]) expect(accepts(withKey(key, good, kind)), `${key} ${good}`).toBe(true);
      for (const bad of [low - 1, high + 1, low + 0.5, String(low), Number.NaN, Number.POSITIVE_INFINITY])
        expect(accepts(withKey(key, bad, kind)), `${key} ${bad}`).toBe(false);
    }
  });

  it('takes every word a key is said to take and no other', () => {
    const worded = configurationRows().filter(({ values }) => /^\w+(, \w+)+$/.test(values) && values !== 'true, false');
    expect(worded.map(({ key }) => key)).toContain('corpus.onBadFile');
    for (const row of worded) {
      const { key, values } = row;
      const kind = kindsOf(row)?.[0];
      for (const word of values.split(', ')) expect(accepts(withKey(key, word, kind)), `${key} ${word}`).toBe(true);
      expect(accepts(withKey(key, 'nonsense', kind))).toBe(false);
    }
  });

  it('takes the default kind where none is named', () => {
    const { projection } = configurationSchema.parse(withKey('projection.k', 128));
    expect(projection).toMatchObject({ kind: 'queryAdaptive', k: 128 });
    const { preconditioner } = configurationSchema.parse(withKey('preconditioner.damping', { absolute: 0.5 }));
    expect(preconditioner).toEqual({ kind: 'ekfac', damping: { absolute: 0.5 } });
  });

  it('takes a key of some kinds with those kinds alone', () => {
    const rows = configurationRows();
    const kinds = rows.find(({ key }) => key === 'projection.kind')!.values.split(', ');
    const own = rows.filter((row) => row.key.startsWith('projection.') && kindsOf(row));
    const takers = (key: string) => own.filter((row) => row.key === key).flatMap((row) => kindsOf(row)!);
    const adaptive = { k: 3, cacheMiB: 9, fidelity: 0.5, widths: 'even', weighting: 'none', rounds: 1 };
    const samples = { ...adaptive, distribution: 'normal' };
    expect(new Set(own.map(({ key }) => key))).toEqual(new Set(Object.keys(samples).map((key) => `projection.${key}`)));
    for (const [name, value] of Object.entries(samples))
      for (const kind of kinds) {
        const key = `projection.${name}`;
        expect(accepts(withKey(key, value, kind)), `${kind} ${name}`).toBe(takers(key).includes(kind));
      }
  });

  it('takes one kind of damping, a number from 0 on', () => {
    const withDamping = (damping: unknown) => accepts({ ...least, preconditioner: { kind: 'kfac', damping } });
    for (const good of [{}, { relative: 0 }, { absolute: 0 }, { relative: 0.1 }, { absolute: 1e-8 }])
      expect(withDamping(good), JSON.stringify(good)).toBe(true);
    for (const bad of [{ relative: -0.1 }, { absolute: Number.POSITIVE_INFINITY }, { relative: 1, absolute: 1 }, 0.1])
      expect(withDamping(bad), JSON.stringify(bad)).toBe(false);
  });

  it('takes a fidelity above 0 and at most 1', () => {
    for (const good of [1e-9, 0.5, 1]) expect(accepts(withKey('projection.fidelity', good))).toBe(true);
    for (const bad of [0, -0.5, 1.0001, '1', Number.NaN])
      expect(accepts(withKey('projection.fidelity', bad))).toBe(false);
  });

  it('reads auto and null as open, for workers and credits', () => {
    for (const open of ['auto', null])
      expect(configurationSchema.parse({ ...least, pool: { workers: open, credits: open } }).pool).toMatchObject({
        workers: null,
        credits: null,
      });
  });

  it('reads an operator given as a path as one without settings', () => {
    const operators = ['./a.ts', { path: './b.ts', settings: { width: 3 } }, { path: './c.ts' }];
    expect(configurationSchema.parse({ ...least, operators }).operators).toEqual([
      { path: './a.ts', settings: {} },
      { path: './b.ts', settings: { width: 3 } },
      { path: './c.ts', settings: {} },
    ]);
  });
});

describe('defaultsTable', () => {
  it('has a row for every key, with its default, its values and its meaning', () => {
    const lines = defaultsTable().trimEnd().split('\n');
    expect(lines[0]).toBe('| key | default | values | meaning |');
    expect(lines).toContain('| `topK` | 500 | 1 to 1,000,000 | documents kept for each query at either end |');
    expect(lines).toContain(
      '| `projection.k` | 64 | 1 to 16,384 | dimensions kept on each side of a layer (eigen, random) |',
    );
    expect(lines).toHaveLength(2 + configurationRows().length);
    for (const row of configurationRows())
      for (const text of Object.values(row)) expect(text).not.toMatch(/^$|undefined/);
  });

  it('shows the defaults that the schema fills in', () => {
    const filled = configurationRows().filter(({ default: shown }) => shown !== 'required');
    expect(filled.length).toBeGreaterThan(30);
    for (const row of filled) {
      const { key, default: shown } = row;
      const [group, kind] = [key.split('.')[0], kindsOf(row)?.[0]];
      const parsed = configurationSchema.parse(kind ? { ...least, [group]: { kind } } : least);
      const value = key.split('.').reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], parsed);
      // Nothing is filled in where the run decides.
      if (value === undefined || value === null || String(value) === '') continue;
      expect(shown, key).toBe(typeof value === 'string' ? value : JSON.stringify(value));
    }
  });

  it('escapes what Markdown would take for markup', () => {
    expect(defaultsTable()).toContain('["\\*.mlp.\\*"]');
    expect(defaultsTable()).toContain('runs/\\<name of the configuration>');
  });
});

describe('configurationJsonSchema', () => {
  it('names what must be given and keeps our own annotations out', () => {
    expect(configurationJsonSchema()).toMatchObject({ required: ['model', 'corpus', 'queries'] });
    expect(JSON.stringify(configurationJsonSchema())).not.toMatch(/defaultText|"values"/);
  });
});

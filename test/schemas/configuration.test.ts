import { describe, expect, it } from 'vitest';
import {
  configurationJsonSchema,
  configurationRows,
  configurationSchema,
  defaultsTable,
  plannedKeys,
  plannedKinds,
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

/** `{corpus: {limit: 3}}` over the least configuration. */
function withKey(key: string, value: unknown): unknown {
  const [outer, inner] = key.split('.');
  if (!inner) return { ...least, [outer]: value };
  const base = (least as Record<string, unknown>)[outer] ?? {};
  return { ...least, [outer]: { ...(base as object), [inner]: value } };
}

const accepts = (value: unknown): boolean => configurationSchema.safeParse(value).success;

describe('configurationSchema', () => {
  it('fills in every default', () => {
    expect(configurationSchema.parse(least)).toEqual({
      model: './model',
      corpus: { files: ['a.parquet'], textColumn: 'text', skip: 0, onBadFile: 'fail', invalidText: 'setAside' },
      queries: 'queries.jsonl',
      modules: ['*.mlp.*'],
      contextTokens: 512,
      longDocuments: 'cut',
      preconditioner: { kind: 'identity' },
      projection: { kind: 'random', k: 64, distribution: 'normal' },
      topK: 500,
      keepScores: false,
      operators: [],
      seed: 0,
      chatTemplate: false,
      batchTokens: 512,
      slice: { documents: 256, tokens: 4096 },
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
    expect(configurationSchema.parse(least).projection).toEqual({ kind: 'random', k: 64, distribution: 'normal' });
  });

  it('refuses an unknown key at every level', () => {
    const levels = mappings(configurationJsonSchema() as Level);
    expect(levels.length).toBeGreaterThanOrEqual(8);
    for (const level of levels) expect(level.additionalProperties).toBe(false);
  });

  it('takes every whole number of its range and none beside it', () => {
    const ranged = configurationRows().filter(({ values }) => /^\d+ to [\d,]+/.test(values));
    expect(ranged.length).toBeGreaterThanOrEqual(9);
    for (const { key, values } of ranged) {
      const [low, high] = values.split(' to ').map((text) => Number.parseInt(text.replaceAll(',', ''), 10));
      for (const good of [low, high]) expect(accepts(withKey(key, good)), `${key} ${good}`).toBe(true);
      for (const bad of [low - 1, high + 1, low + 0.5, String(low), Number.NaN, Number.POSITIVE_INFINITY])
        expect(accepts(withKey(key, bad)), `${key} ${bad}`).toBe(false);
    }
  });

  it('takes every word a key is said to take and no other', () => {
    const worded = configurationRows().filter(({ values }) => /^\w+(, \w+)+$/.test(values) && values !== 'true, false');
    expect(worded.map(({ key }) => key)).toContain('corpus.onBadFile');
    for (const { key, values } of worded) {
      for (const word of values.split(', ')) expect(accepts(withKey(key, word)), `${key} ${word}`).toBe(true);
      expect(accepts(withKey(key, 'nonsense'))).toBe(false);
    }
  });

  it('takes the default projection where a kind is not named', () => {
    expect(configurationSchema.parse(withKey('projection.k', 128)).projection).toEqual({
      kind: 'random',
      k: 128,
      distribution: 'normal',
    });
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

  it('does not know what is only planned', () => {
    for (const [path, kinds] of Object.entries(plannedKinds))
      for (const kind of kinds) expect(accepts({ ...least, [path]: { kind } })).toBe(false);
    for (const key of plannedKeys['']) expect(accepts({ ...least, [key]: 'x' })).toBe(false);
  });
});

describe('defaultsTable', () => {
  it('has a row for every key, with its default, its values and its meaning', () => {
    const lines = defaultsTable().trimEnd().split('\n');
    expect(lines[0]).toBe('| key | default | values | meaning |');
    expect(lines).toContain('| `topK` | 500 | 1 to 1,000,000 | documents kept for each query at either end |');
    expect(lines).toContain('| `projection.k` | 64 | 1 to 16,384 | dimensions kept on each side of a layer (random) |');
    expect(lines).toHaveLength(2 + configurationRows().length);
    for (const row of configurationRows())
      for (const text of Object.values(row)) expect(text).not.toMatch(/^$|undefined/);
  });

  it('shows the defaults that the schema fills in', () => {
    const parsed = configurationSchema.parse(least) as Record<string, unknown>;
    for (const { key, default: shown } of configurationRows()) {
      const value = key.split('.').reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], parsed);
      if (shown === 'required' || /^(none|all|auto|file and row|runs|\.headwater)/.test(shown)) continue;
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

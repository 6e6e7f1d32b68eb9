/** Everything a run can be told: one schema, from which the checks, the JSON Schema, the `--help` text and the README's table come. */
import { z } from 'zod';

declare module 'zod' {
  interface GlobalMeta {
    /** What holds when the key is not given and the default depends on the run: shown in the table in place of a value. */
    defaultText?: string;
    /** The values a key takes, where its type alone does not say. */
    values?: string;
  }
}

const filled = z.string().min(1);
const whole = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
const positive = z.number().min(0).max(Number.MAX_VALUE);

const corpus = z
  .strictObject({
    files: z.array(filled).min(1).meta({ description: 'Parquet files, folders or globs', values: 'paths' }),
    textColumn: filled.default('text').meta({ description: 'the column that holds the text' }),
    idColumn: filled
      .optional()
      .meta({ description: 'the column that names a document', defaultText: 'file and row', values: 'text' }),
    sourceColumn: filled
      .optional()
      .meta({ description: 'the column that says where a document comes from', defaultText: 'none', values: 'text' }),
    skip: whole(0, Number.MAX_SAFE_INTEGER).default(0).meta({ description: 'documents passed over at the start' }),
    limit: whole(1, Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({ description: 'documents read at most, after those skipped', defaultText: 'all' }),
    onBadFile: z
      .enum(['fail', 'skip'])
      .default('fail')
      .meta({ description: 'what an unreadable file does: end the run, or be counted and passed over' }),
    onBadRow: z.enum(['setAside', 'fail']).default('setAside').meta({
      description:
        'what a document does that is not valid text, gives no finite score or makes an operator fail: be set aside, or end the run',
    }),
    invalidText: z.enum(['setAside', 'replace']).default('setAside').meta({
      description: 'what text that is not UTF-8, or holds NUL, does: leave its document out, or become U+FFFD',
    }),
    manifest: filled.optional().meta({
      description: 'SHA-256 of every file, as sha256sum prints them, checked before a file is read',
      defaultText: 'none',
      values: 'path',
    }),
    readSeconds: whole(1, 86_400)
      .default(120)
      .meta({ description: 'seconds that one read of a file may take before the file counts as unreadable' }),
  })
  .meta({ description: 'the pretraining documents' });

const damping = z
  .strictObject({
    relative: positive
      .optional()
      .meta({ description: "λ as a share of the mean of a layer's curvature", defaultText: '0.1' }),
    absolute: positive
      .optional()
      .meta({ description: 'λ itself, the same for every layer', defaultText: 'none: relative' }),
  })
  .refine(({ relative, absolute }) => relative === undefined || absolute === undefined, {
    message: 'expected relative or absolute, got both',
  })
  .prefault({});

// The first kind is taken where none is named, so that `damping: …` alone keeps the default kind.
const preconditioner = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z
        .literal('ekfac')
        .optional()
        .default('ekfac')
        .meta({ description: "eigenvalue-corrected Kronecker factors, the paper's" }),
      damping,
    }),
    z.strictObject({
      kind: z.literal('kfac').meta({ description: 'Kronecker factors with their own eigenvalues' }),
      damping,
    }),
    z.strictObject({
      kind: z.literal('diagonal').meta({ description: 'the diagonal of the Fisher matrix' }),
      damping,
    }),
    z.strictObject({ kind: z.literal('identity').meta({ description: 'query gradients as they are' }) }),
  ])
  .prefault({ kind: 'ekfac' })
  .meta({ description: 'the curvature that query gradients are corrected with' });

const projection = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z
        .literal('queryAdaptive')
        .optional()
        .default('queryAdaptive')
        .meta({ description: 'the dimensions that move the scores of these queries most' }),
      k: whole(1, 16384).default(256).meta({
        description: 'dimensions kept on each side of a layer, or what that many would cost where widths are shared',
      }),
      cacheMiB: whole(1, 16_777_216).default(4096).meta({
        description: 'memory for all query gradients together, MiB, where widths are shared',
      }),
      fidelity: z.number().gt(0).max(1).optional().meta({
        description: 'share of the score variance to keep, as a mean over layers, in place of k',
        defaultText: 'none: k',
        values: 'above 0, at most 1',
      }),
      widths: z
        .enum(['shared', 'even'])
        .default('shared')
        .meta({ description: 'whether layers and sides get as many dimensions as pay, or all k' }),
      weighting: z.enum(['curvature', 'none']).optional().meta({
        description: 'whether a dimension counts by how much documents move it',
        defaultText: 'curvature; none with identity',
      }),
      rounds: whole(0, 10).default(0).meta({ description: 'alternating rounds that refine the dimensions' }),
    }),
    z.strictObject({
      kind: z
        .literal('eigen')
        .meta({ description: 'the top eigenvectors of the covariances, for queries yet to come' }),
      k: whole(1, 16384).default(64).meta({ description: 'dimensions kept on each side of a layer' }),
    }),
    z.strictObject({
      kind: z.literal('random').meta({ description: 'two-sided random matrices, drawn from the seed' }),
      k: whole(1, 16384).default(64).meta({ description: 'dimensions kept on each side of a layer' }),
      distribution: z
        .enum(['normal', 'rademacher'])
        .default('normal')
        .meta({ description: 'what the matrices are drawn from' }),
    }),
    z.strictObject({
      kind: z.literal('exact').meta({ description: 'the whole weight gradient: slow, and the oracle' }),
    }),
  ])
  .prefault({ kind: 'queryAdaptive' })
  .meta({ description: 'which dimensions of a gradient are kept' });

const fit = z
  .strictObject({
    documents: whole(1, 100_000_000)
      .default(1000)
      .meta({ description: 'documents of the corpus, drawn by the seed, that the curvature is estimated from' }),
    labels: z.enum(['sampled', 'empirical']).default('sampled').meta({
      description: "labels drawn from the model's own distribution (the Fisher matrix), or the documents' own tokens",
    }),
    blocks: whole(1, 1024)
      .default(1)
      .meta({ description: 'diagonal blocks of each covariance: more make wide layers fit, and curvature coarser' }),
    memoryMiB: whole(16, 16_777_216)
      .default(4096)
      .meta({ description: 'memory for sums, MiB; a model that needs more is fitted in several passes' }),
  })
  .prefault({})
  .meta({ description: 'how the curvature is estimated' });

const explain = z
  .strictObject({
    documents: whole(0, 1_000_000).default(5).meta({
      description: 'documents at either end of each ranking whose influence is written by token and by layer',
    }),
  })
  .prefault({})
  .meta({ description: 'where in a document its influence lies' });

const tasks = z
  .strictObject({
    factual: z
      .array(filled)
      .default(['fact*'])
      .meta({ description: 'tasks whose queries ask for facts', values: 'globs' }),
    control: z
      .array(filled)
      .default(['control*'])
      .meta({ description: 'tasks that look like reasoning and need none', values: 'globs' }),
  })
  .prefault({})
  .meta({
    description: 'what the tasks of the queries ask for, as the findings compare them: all others are reasoning',
  });

const operator = z.union([
  filled.transform((path) => ({ path, settings: {} as Record<string, unknown> })),
  z.strictObject({
    path: filled.meta({ description: 'a TypeScript or JavaScript module' }),
    settings: z
      .record(z.string(), z.unknown())
      .default({})
      .meta({ description: 'passed to the operator as it stands', values: 'mapping' }),
  }),
]);

/** A number that follows from the machine where it is `auto` (null once read). */
const automatic = (maximum: number) =>
  z.union([whole(1, maximum), z.literal('auto').transform(() => null), z.null()]).default(null);

const pool = z
  .strictObject({
    workers: automatic(1024).meta({
      description: 'worker threads, each with one session',
      defaultText: 'auto, a worker a core',
    }),
    threadsPerWorker: whole(1, 1024).default(1).meta({ description: 'threads of one session' }),
    credits: automatic(65536).meta({ description: 'batches in flight at once', defaultText: 'auto, 2 × workers' }),
    prepack: z
      .boolean()
      .default(true)
      .meta({ description: 'whether each worker keeps its own packed weights: about a tenth faster, more memory' }),
  })
  .prefault({})
  .meta({ description: 'the worker threads' });

const slice = z
  .strictObject({
    documents: whole(1, 1_000_000).default(256).meta({ description: 'documents in a slice at most' }),
    tokens: whole(1, 100_000_000)
      .default(4096)
      .meta({ description: 'tokens in a slice at most, as estimated from its text' }),
    rows: whole(1, 1_000_000_000)
      .default(512)
      .meta({ description: 'rows of a file after which a slice ends whatever it holds: where shards may meet' }),
  })
  .prefault({})
  .meta({ description: 'what travels as one batch: sorted by length inside, so that little is padded' });

const maxSkipped = z
  .strictObject({
    share: z.number().min(0).max(1).default(0.1).meta({ description: 'of the documents read' }),
    documents: whole(0, Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({ description: 'documents, whatever share that is', defaultText: 'none: share' }),
  })
  .prefault({})
  .meta({ description: 'how much may be set aside before a run that is done ends with exit code 4' });

const checkpoint = z
  .strictObject({
    seconds: positive.default(60).meta({ description: 'seconds between checkpoints: what a kill can cost' }),
  })
  .prefault({})
  .meta({ description: 'what a run that was stopped goes on from' });

const supervisor = z
  .strictObject({
    maxCrashes: whole(0, 1_000_000)
      .default(30)
      .meta({ description: 'deaths of the compute process after which the run ends with exit code 70' }),
    batchSeconds: whole(1, 604_800).default(900).meta({
      description: 'seconds without progress on the batches in flight after which the compute process is ended',
    }),
  })
  .prefault({})
  .meta({ description: 'the process that starts the computing one again' });

export const configurationSchema = z
  .strictObject({
    model: filled.meta({
      description:
        'Hugging Face folder with config.json, safetensors and tokenizer.json, or its id on the hub, owner/name@revision',
      values: 'path or hub id',
    }),
    queryModel: filled.optional().meta({
      description:
        'a model of the same shapes, such as the fine-tuned one, which completes and whose query gradients are traced',
      values: 'path or hub id',
      defaultText: 'the model itself',
    }),
    corpus,
    queries: filled.regex(/\.(jsonl|parquet)$/i, 'a path that ends in .jsonl or .parquet').meta({
      description: 'queries, one object a line or row: id, prompt, completion?, task?, answers?, steps?',
      values: 'path to .jsonl or .parquet',
    }),
    modules: z
      .array(filled)
      .min(1)
      .default(['*.mlp.*'])
      .meta({ description: 'the tracked linear layers, by their Hugging Face names', values: 'globs' }),
    contextTokens: whole(2, 1_048_576).default(512).meta({ description: 'tokens in a window at most' }),
    longDocuments: z
      .enum(['cut', 'split'])
      .default('cut')
      .meta({ description: 'what a document longer than a window becomes: its first window, or all of them' }),
    preconditioner,
    projection,
    fit,
    cosine: z.boolean().default(false).meta({
      description:
        "whether scores are divided by the norms of both gradients, so that a document's length does not count",
    }),
    topK: whole(1, 1_000_000).default(500).meta({ description: 'documents kept for each query at either end' }),
    explain,
    tasks,
    bm25: z.boolean().default(true).meta({
      description:
        "whether word overlap is ranked beside influence: BM25 of each query's words, after a pass that counts them",
    }),
    keepScores: z.boolean().default(false).meta({ description: 'whether scores.parquet, the dense table, is written' }),
    operators: z.array(operator).default([]).meta({
      description: 'your own maps, folds and matchers of answers, in order',
      values: 'paths, or {path, settings}',
      defaultText: 'none',
    }),
    seed: whole(0, 2 ** 32 - 1)
      .default(0)
      .meta({ description: 'what every random number is drawn from' }),
    chatTemplate: z
      .boolean()
      .default(false)
      .meta({ description: "whether prompts go through the tokenizer's chat template" }),
    maxNewTokens: whole(1, 1_048_576)
      .default(64)
      .meta({ description: 'tokens of a completion that the model writes itself, at most, where a query has none' }),
    batchTokens: whole(2, 16_777_216)
      .default(512)
      .meta({ description: 'tokens in one gradient call at most, padding counted; one window always fits' }),
    slice,
    maxSkipped,
    checkpoint,
    supervisor,
    pool,
    out: filled
      .optional()
      .meta({ description: 'the run folder', defaultText: 'runs/<name of the configuration>', values: 'path' }),
    cache: filled.optional().meta({
      description: 'the folder of query gradients and model graphs',
      defaultText: '.headwater',
      values: 'path',
    }),
  })
  .meta({ title: 'Headwater configuration' });

/** A configuration as read: every default filled in, every path absolute. */
export type Configuration = z.infer<typeof configurationSchema> & {
  out: string;
  cache: string;
  /** The configuration file's: file names in the tables are relative to it. */
  folder: string;
};
export type CorpusSettings = Configuration['corpus'];
export type PreconditionerSettings = Configuration['preconditioner'];
export type ProjectionSettings = Configuration['projection'];
export type OperatorSettings = Configuration['operators'][number];
export type FitSettings = Configuration['fit'];
export type SliceSettings = Configuration['slice'];
export type PoolSettings = Configuration['pool'];

/** The JSON Schema of a configuration file, for editors. */
export function configurationJsonSchema(): object {
  return z.toJSONSchema(configurationSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      delete jsonSchema.defaultText;
      delete jsonSchema.values;
    },
  });
}

/** One line of the README's table and of `headwater run --help`. */
export interface ConfigurationRow {
  key: string;
  default: string;
  values: string;
  meaning: string;
}

/** Every key of the configuration in the schema's order. */
export function configurationRows(): ConfigurationRow[] {
  return rowsOf('', z.toJSONSchema(configurationSchema, { io: 'input' }) as Described);
}

/** The README's table, in Markdown. */
export function defaultsTable(): string {
  const cell = (text: string): string => text.replace(/[|*<]/g, '\\$&');
  const line = (cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  const rows = configurationRows().map((row) => line([`\`${row.key}\``, row.default, row.values, row.meaning]));
  return [line(['key', 'default', 'values', 'meaning']), '|---|---|---|---|', ...rows, ''].join('\n');
}

/** The part of JSON Schema that the rows read. */
interface Described {
  type?: string;
  description?: string;
  values?: string;
  default?: unknown;
  defaultText?: string;
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  required?: string[];
  properties?: Record<string, Described>;
  anyOf?: Described[];
  oneOf?: Described[];
}

function rowsOf(prefix: string, schema: Described): ConfigurationRow[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const key = prefix + name;
    if (field.properties) return rowsOf(`${key}.`, field);
    if (field.oneOf) return kindRows(key, field, field.oneOf);
    return [{ key, default: defaultOf(schema, name), values: valuesOf(field), meaning: field.description ?? '' }];
  });
}

/** A setting that comes in kinds: one row for the kinds, then the keys of each. */
function kindRows(key: string, field: Described, kinds: Described[]): ConfigurationRow[] {
  const names = kinds.map(({ properties }) => properties!.kind);
  const meaning = `${field.description}: ${names.map((kind) => `${kind.const}, ${kind.description}`).join('; ')}`;
  const first: ConfigurationRow = {
    key: `${key}.kind`,
    default: String((field.default as { kind: string }).kind),
    values: names.map((kind) => kind.const).join(', '),
    meaning,
  };
  const others = new Map<string, ConfigurationRow & { kinds: string[] }>();
  for (const kind of kinds)
    for (const row of rowsOf(`${key}.`, kind)) {
      if (row.key === first.key) continue;
      const same = JSON.stringify(row);
      const known = others.get(same) ?? { ...row, kinds: [] };
      known.kinds.push(String(kind.properties!.kind.const));
      others.set(same, known);
    }
  const named = [...others.values()].map(({ kinds, ...row }) => ({
    ...row,
    meaning: `${row.meaning} (${kinds.join(', ')})`,
  }));
  return [first, ...named];
}

function defaultOf(parent: Described, name: string): string {
  const field = parent.properties![name];
  if (field.defaultText !== undefined) return field.defaultText;
  if (parent.required?.includes(name)) return 'required';
  return typeof field.default === 'string' ? field.default : JSON.stringify(field.default);
}

function valuesOf(field: Described): string {
  if (field.values) return field.values;
  if (field.anyOf)
    return field.anyOf
      .filter(({ type }) => type !== 'null')
      .map(valuesOf)
      .join(' or ');
  if (field.const !== undefined) return String(field.const);
  if (field.enum) return field.enum.join(', ');
  if (field.type === 'boolean') return 'true, false';
  if (field.type === 'number') return `${field.minimum} or more`;
  if (field.type === 'integer' && field.maximum === Number.MAX_SAFE_INTEGER) return `${field.minimum} or more`;
  if (field.type === 'integer') return `${field.minimum} to ${field.maximum!.toLocaleString('en')}`;
  return 'text';
}

/** What run.json says of a run, as the report shows it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../../schemas/errors.ts';
import type { ReportQuery, RunFacts } from '../reportModel.ts';

const number = z
  .number()
  .nullish()
  .transform((value) => value ?? null);
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? null);

/** Fields that older runs lack may be missing; others are what a run without them could not be shown by. */
const runSchema = z.object({
  headwater: z.string(),
  complete: z.boolean().default(true),
  score: z.string().default(''),
  counts: z.object({
    read: z.number(),
    scored: z.number(),
    tokens: number,
    setAside: z.record(z.string(), z.number()).default({}),
  }),
  queries: z.array(
    z.object({
      id: z.string(),
      task: z.string().default(''),
      prompt: text,
      completion: text,
      nats: number,
      tokens: number,
    }),
  ),
  coverage: z
    .object({
      modules: z.array(z.object({ name: z.string() })),
      untracked: z.array(z.string()),
      trackedParameters: z.number(),
      parameters: z.number(),
    })
    .nullable()
    .default(null),
  configuration: z.record(z.string(), z.unknown()).default({}),
  fingerprints: z.object({ corpus: z.array(z.unknown()).default([]) }).default({ corpus: [] }),
  versions: z.record(z.string(), z.string()).default({}),
  seconds: z.record(z.string(), z.number()).default({}),
});
type RunJson = z.infer<typeof runSchema>;

/** Throws InputError for a folder that no run has finished in. */
export async function readRunFacts(folder: string): Promise<{ run: RunFacts; queries: ReportQuery[] }> {
  const path = join(folder, 'run.json');
  const next = 'name a folder that headwater run has finished';
  const json = await readFile(path, 'utf8').catch((cause: Error) => {
    throw new InputError(`readRun expected run.json in ${folder}: ${cause.message}; ${next}`, { cause });
  });
  const parsed = runSchema.safeParse(parseJson(json));
  if (parsed.success) return { run: factsOf(parsed.data), queries: parsed.data.queries.map(queryOf) };
  const { path: where, message } = parsed.error.issues[0];
  throw new InputError(
    `readRun expected ${path} to describe a run, got ${message} at ${where.join('.') || 'its top'}: ${next}`,
  );
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json; // refused by the schema, with its place
  }
}

const queryOf = (query: RunJson['queries'][number]): ReportQuery => ({ ...query, answers: [], holdsAnswer: null });

function factsOf(json: RunJson): RunFacts {
  const { configuration, counts, coverage } = json;
  const model = nameOf(configuration.model);
  const queryModel = configuration.queryModel === undefined ? null : nameOf(configuration.queryModel);
  return {
    headwater: json.headwater,
    model,
    queryModel: configuration.queryModel === configuration.model ? null : queryModel,
    preconditioner: kindOf(configuration.preconditioner),
    files: json.fingerprints.corpus.length,
    complete: json.complete,
    score: json.score,
    cosine: configuration.cosine === true,
    read: counts.read,
    scored: counts.scored,
    tokens: counts.tokens,
    skipped: reasonsOf(counts.setAside),
    coverage: coverage && { ...coverage, tracked: coverage.modules.map(({ name }) => name) },
    settings: settingsOf('', configuration, String(configuration.folder ?? '')),
    seconds: Object.entries(json.seconds),
    versions: [['headwater', json.headwater], ...Object.entries(json.versions)],
  };
}

const reasonsOf = (setAside: Record<string, number>): RunFacts['skipped'] =>
  Object.entries(setAside).flatMap(([reason, documents]) => (documents > 0 ? { reason, documents } : []));

/** A hub name as it is; a folder by its last part, or by two where that says no more than that it is a model. */
function nameOf(model: unknown): string {
  if (typeof model !== 'string' || model === '') return 'a model without a name';
  if (!/^[/.]|^\w:/.test(model)) return model;
  const parts = model.split(/[\\/]+/).filter((part) => part !== '');
  return parts.slice(/^(model|base|tuned|final)$/i.test(parts[parts.length - 1]) ? -2 : -1).join('/');
}

const kindOf = (value: unknown): string =>
  typeof value === 'object' && value !== null && 'kind' in value ? String(value.kind) : 'unknown';

/** Nested settings as `a.b`; a path in the configuration's folder is relative to it. */
function settingsOf(prefix: string, settings: object, folder: string): [string, string][] {
  return Object.entries(settings).flatMap(([name, value]): [string, string][] => {
    const key = prefix + name;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return settingsOf(`${key}.`, value, folder);
    const shown = typeof value === 'string' ? value : JSON.stringify(value);
    return key === 'folder' ? [] : [[key, withoutMachine(shown, folder)]];
  });
}

/** The report is shown to others: of a path outside of the configuration's folder its end is enough. */
const withoutMachine = (shown: string, folder: string): string =>
  (folder === '' ? shown : shown.replaceAll(`${folder}/`, '')).replace(/(^|")\/[^"]*\/([^/"]+\/[^/"]+)/g, '$1…/$2');

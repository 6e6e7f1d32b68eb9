/** The completions that the queries lack: written by the model itself in the pool, kept in the cache. */
import { orMadeAgain } from '../../operators/files/damagedFile.ts';
import { makeFolder } from '../../operators/files/wholeFile.ts';
import {
  COMPLETION_CACHE_VERSION,
  type Completion,
  type CompletionFingerprint,
  completionCachePath,
  fingerprintPrompts,
  openCompletionCache,
  writeCompletionCache,
} from '../../operators/queries/completionCache.ts';
import { writeDecodingModel } from '../../operators/queries/decodingModel.ts';
import { readEndOfText } from '../../operators/queries/endOfText.ts';
import type {
  GenerateCompletionsSettings,
  GeneratedTokens,
  PromptTokens,
} from '../../operators/queries/generateCompletions.ts';
import { packPrompts } from '../../operators/queries/packPrompts.ts';
import { encodePrompt } from '../../operators/tokens/windowQueries.ts';
import { InputError } from '../../schemas/errors.ts';
import type { Query } from '../../schemas/queries.ts';
import { builtIn } from '../operators/loadOperator.ts';
import type { WorkerPool } from '../pool/workerPool.ts';
import type { Prepared } from './prepare.ts';
import type { StageHooks } from './stageHooks.ts';
import { tidyCache } from './tidyCache.ts';

type Completing = Pick<Prepared, 'configuration' | 'queries' | 'queryModel' | 'pool'>;

/**
 * The queries in their order, each with a completion: its own, or the one that the query model writes greedily, which is cached. Throws
 * InputError for a prompt that leaves no room and for one that the model has nothing to say to.
 */
export async function completeQueries(
  prepared: Completing,
  pool: Pick<WorkerPool, 'job'>,
  hooks: Pick<StageHooks, 'progress' | 'log'>,
): Promise<Query[]> {
  const open = prepared.queries.filter(({ completion }) => completion === '');
  if (open.length === 0) return prepared.queries;
  const completions = await cachedCompletions(prepared, open, pool, hooks);
  expectWritten(completions);
  sayCut(completions, prepared, hooks);
  const byId = new Map(completions.map((completion) => [completion.id, completion]));
  return prepared.queries.map((query) => {
    const written = byId.get(query.id);
    return written ? { ...query, completion: written.text, completionIds: written.ids } : query;
  });
}

async function cachedCompletions(
  prepared: Completing,
  open: Query[],
  pool: Pick<WorkerPool, 'job'>,
  hooks: Pick<StageHooks, 'progress' | 'log'>,
): Promise<Completion[]> {
  const { configuration, queryModel } = prepared;
  await tidyCache(configuration.cache, hooks);
  const endOfText = await readEndOfText(queryModel.folder);
  const wanted = await completionFingerprint(prepared, open, endOfText);
  const path = completionCachePath(configuration.cache, wanted);
  const found = await orMadeAgain(() => openCompletionCache(path, wanted), hooks.log);
  if (found) {
    hooks.log(`completions: reused from ${path}`);
    return found;
  }
  const generated = await generate(prepared, encodePrompts(prepared, open), endOfText, pool, hooks);
  const completions = generated.map((tokens) => ({ ...tokens, text: queryModel.tokenizer.decode(tokens.ids) }));
  await makeFolder(configuration.cache);
  await writeCompletionCache(path, wanted, completions);
  hooks.log(`completions: written to ${path}`);
  return openCompletionCache(path, wanted);
}

async function completionFingerprint(
  { configuration, queryModel }: Completing,
  open: Query[],
  endOfText: number[],
): Promise<CompletionFingerprint> {
  const { chatTemplate, maxNewTokens, contextTokens } = configuration;
  return {
    version: COMPLETION_CACHE_VERSION,
    model: await queryModel.folder.fingerprint(),
    tokenizer: queryModel.tokenizer.fingerprint,
    chatTemplate,
    maxNewTokens,
    contextTokens,
    endOfText,
    prompts: fingerprintPrompts(open),
  };
}

function encodePrompts({ configuration, queryModel }: Completing, open: Query[]): PromptTokens[] {
  const { contextTokens } = configuration;
  return open.map((query) => {
    const ids = encodePrompt(query, queryModel.tokenizer, configuration);
    if (ids.length === 0)
      throw new InputError(
        `completeQueries expected a prompt of at least one token for query ${query.id}, which has no completion, got none: ` +
          'give it a prompt or a completion',
      );
    if (ids.length >= contextTokens)
      throw new InputError(
        `completeQueries expected the prompt of query ${query.id} to leave room for a completion in contextTokens ${contextTokens}, ` +
          `got ${ids.length} tokens: shorten it or raise contextTokens`,
      );
    return { id: query.id, ids };
  });
}

/** The completions of the prompts, in their order. */
async function generate(
  prepared: Completing,
  prompts: PromptTokens[],
  endOfText: number[],
  pool: Pick<WorkerPool, 'job'>,
  { progress }: Pick<StageHooks, 'progress'>,
): Promise<GeneratedTokens[]> {
  const settings = await generateSettings(prepared, endOfText);
  const spec = { module: builtIn('queries/generateCompletions'), settings };
  const lengths = prompts.map(({ ids }) => ids.length);
  const completions: GeneratedTokens[] = [];
  progress.stage('completions', prompts.length, 'queries');
  const parts = packPrompts(lengths, Math.min(settings.maxNewTokens, settings.contextTokens)).map(async (chosen) => {
    const batch = chosen.map((p) => prompts[p]);
    const part = await pool.job<PromptTokens[], GeneratedTokens[]>(spec, batch);
    part.forEach((completion, i) => {
      completions[chosen[i]] = completion;
    });
    progress.advance({ items: part.length, tokens: part.reduce((sum, { ids }) => sum + ids.length, 0) });
  });
  await Promise.all(parts);
  progress.done();
  return completions;
}

async function generateSettings(
  { configuration, queryModel, pool: { threadsPerWorker, prepack } }: Completing,
  endOfText: number[],
): Promise<GenerateCompletionsSettings> {
  const { contextTokens, maxNewTokens, cache } = configuration;
  const model = await writeDecodingModel(queryModel.folder, contextTokens, cache);
  return { model, threadsPerWorker, prepack, maxNewTokens, contextTokens, endOfText };
}

function expectWritten(completions: Completion[]): void {
  const empty = completions.filter(({ ids }) => ids.length === 0);
  if (empty.length === 0) return;
  throw new InputError(
    `completeQueries expected the model to write at least one token for ${named(empty)}, and it ended the text at once: give the query ` +
      'a completion, word its prompt otherwise, or set chatTemplate to what the model was trained on',
  );
}

function sayCut(completions: Completion[], { configuration }: Completing, { log }: Pick<StageHooks, 'log'>): void {
  const cut = completions.filter((completion) => completion.cut);
  const { maxNewTokens, contextTokens } = configuration;
  if (cut.length > 0)
    log(
      `completions: ${cut.length} of ${completions.length} cut before the model ended them, at maxNewTokens ${maxNewTokens} or ` +
        `contextTokens ${contextTokens}: ${named(cut)}`,
    );
}

const NAMES_SHOWN = 5;

function named(completions: Completion[]): string {
  const ids = completions.slice(0, NAMES_SHOWN).map(({ id }) => id);
  const more = completions.length > NAMES_SHOWN ? ` and ${completions.length - NAMES_SHOWN} more` : '';
  return `${completions.length === 1 ? 'query' : 'queries'} ${ids.join(', ')}${more}`;
}

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { readQueries } from '../../../operators/queries/readQueries.ts';
import { loadTokenizer } from '../../../operators/tokens/loadTokenizer.ts';
import { windowQueries } from '../../../operators/tokens/windowQueries.ts';
import { WorkerPool } from '../../../pipeline/pool/workerPool.ts';
import { completeQueries } from '../../../pipeline/stages/completeQueries.ts';
import type { JobOperator } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import { bundledModel, quietHooks, smallFolder } from '../smallWorld.ts';

vi.setConfig({ testTimeout: 60_000 });

const tuned = join(bundledModel, '../tuned');
const queryModel = { folder: await readModelFolder(tuned), tokenizer: await loadTokenizer(tuned) };
const facts = { queries: [], tasks: [], topK: 1, seed: 0 };
const bundled = (await readQueries(join(tuned, '../queries.jsonl'))).filter(({ id }) => /^slope-[1-5]$/.test(id));
const open = bundled.map((query) => ({ ...query, completion: '' }));

type Prepared = Parameters<typeof completeQueries>[0];

function prepared(cache: string, queries: Query[], settings: Partial<Prepared['configuration']> = {}): Prepared {
  const configuration = { cache, contextTokens: 128, maxNewTokens: 90, chatTemplate: false, ...settings };
  const pool = { workers: 1, threadsPerWorker: 1, credits: 2, prepack: true };
  return { configuration: configuration as Prepared['configuration'], queries, queryModel, pool };
}

/** A pool that works in this thread and counts its jobs. */
function thisThread() {
  const pool = {
    jobs: 0,
    async job<Input, Output>({ module, settings }: { module: string; settings: unknown }, input: Input) {
      pool.jobs++;
      const { default: operator }: { default: JobOperator } = await import(module);
      return (await (
        await operator.open(settings, facts)
      )(input)) as Output;
    },
  };
  return pool;
}

describe('completeQueries', () => {
  it('writes the completions that are missing and keeps the others', async () => {
    const queries = [open[0], bundled[1], open[4]];
    const pool = thisThread();
    const hooks = quietHooks();
    const completed = await completeQueries(prepared(await smallFolder(), queries), pool, hooks);
    expect(completed.map(({ id, completion }) => [id, completion])).toEqual(
      [0, 1, 4].map((q) => [bundled[q].id, bundled[q].completion]),
    );
    expect(completed[1]).toBe(queries[1]);
    expect(completed[0]).toMatchObject({ task: 'slope', prompt: bundled[0].prompt, steps: bundled[0].steps });
    expect(pool.jobs).toBe(1);
    expect(hooks.lines).toEqual([expect.stringMatching(/^completions: written to .*completions-[0-9a-f]{16}\.json$/)]);
  });

  it('hands the tokens that the model wrote to the query windows', async () => {
    const [query] = await completeQueries(prepared(await smallFolder(), [open[0]]), thisThread(), quietHooks());
    const { ids, lossFrom } = windowQueries([query], queryModel.tokenizer, {
      contextTokens: 128,
      chatTemplate: false,
    }).windows;
    expect([...ids.subarray(lossFrom[0])]).toEqual(query.completionIds);
    expect(query.completionIds!.length).toBeGreaterThan(10);
  });

  it('asks the pool nothing where every query has a completion', async () => {
    const pool = thisThread();
    expect(await completeQueries(prepared('nowhere', bundled), pool, quietHooks())).toBe(bundled);
    expect(pool.jobs).toBe(0);
  });

  it('reuses what it wrote, and writes anew for other prompts or limits', async () => {
    const cache = await smallFolder();
    const pool = thisThread();
    const first = await completeQueries(prepared(cache, open.slice(0, 2)), pool, quietHooks());
    const hooks = quietHooks();
    expect(await completeQueries(prepared(cache, open.slice(0, 2)), pool, hooks)).toEqual(first);
    expect(pool.jobs).toBe(1);
    expect(hooks.lines[0]).toMatch(/^completions: reused from /);
    await completeQueries(prepared(cache, open.slice(0, 2), { maxNewTokens: 89 }), pool, quietHooks());
    await completeQueries(prepared(cache, open.slice(0, 1)), pool, quietHooks());
    expect(pool.jobs).toBe(3);
  });

  it('refuses a cache that was put under the name of another', async () => {
    const cache = await smallFolder();
    const names = async () => (await readdir(cache)).filter((name) => name.startsWith('completions-'));
    await completeQueries(prepared(cache, open.slice(0, 1)), thisThread(), quietHooks());
    const [mine] = await names();
    await completeQueries(prepared(cache, open.slice(1, 2)), thisThread(), quietHooks());
    const other = (await names()).find((name) => name !== mine)!;
    await writeFile(join(cache, other), await readFile(join(cache, mine)));
    const again = completeQueries(prepared(cache, open.slice(1, 2)), thisThread(), quietHooks());
    await expect(again).rejects.toThrow(/completions-\w+\.json was made for something else: prompts \(expected/);
  });

  it('says which completions were cut', async () => {
    const hooks = quietHooks();
    const settings = { maxNewTokens: 5 };
    const completed = await completeQueries(prepared(await smallFolder(), open, settings), thisThread(), hooks);
    expect(completed.every(({ completionIds }) => completionIds!.length === 5)).toBe(true);
    expect(hooks.lines[1]).toMatch(
      /^completions: (\d+) of \1 cut before the model ended them, at maxNewTokens 5 or contextTokens 128: queries slope-1, /,
    );
  });

  it('refuses a prompt that fills the context, before anything is written', async () => {
    const queries = [{ ...open[0], prompt: 'The slope of the line. '.repeat(40) }];
    const pool = thisThread();
    await expect(completeQueries(prepared(await smallFolder(), queries), pool, quietHooks())).rejects.toThrow(
      /expected the prompt of query slope-1 to leave room for a completion in contextTokens 128, got \d+ tokens: shorten it or raise/,
    );
    expect(pool.jobs).toBe(0);
  });

  it('refuses an empty prompt to a model whose texts begin with no token', async () => {
    const tokenizer = { ...queryModel.tokenizer, prefix: [] };
    const given = {
      ...prepared(await smallFolder(), [{ ...open[0], prompt: '' }]),
      queryModel: { ...queryModel, tokenizer },
    };
    await expect(completeQueries(given, thisThread(), quietHooks())).rejects.toThrow(
      /expected a prompt of at least one token for query slope-1, which has no completion, got none/,
    );
  });

  it('refuses a completion that ends at once, naming the query and what to do', async () => {
    const pool = {
      job: async <Input, Output>(_: unknown, prompts: Input) =>
        (prompts as { id: string }[]).map(({ id }) => ({ id, ids: [], cut: false })) as Output,
    };
    await expect(completeQueries(prepared(await smallFolder(), open.slice(0, 1)), pool, quietHooks())).rejects.toThrow(
      'expected the model to write at least one token for query slope-1, and it ended the text at once: give the query a completion',
    );
  });

  it('gives the same in the worker threads', async () => {
    const pool = new WorkerPool(2, facts, 512);
    onTestFinished(() => pool.close());
    const completed = await completeQueries(prepared(await smallFolder(), open), pool, quietHooks());
    expect(completed).toEqual(await completeQueries(prepared(await smallFolder(), open), thisThread(), quietHooks()));
  });
});

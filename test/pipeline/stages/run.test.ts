import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { writeGradientModel } from '../../../operators/gradients/gradientModel.ts';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import projectGradients from '../../../operators/gradients/projectGradients.ts';
import { drawProjection } from '../../../operators/gradients/projections.ts';
import { coverModules } from '../../../operators/gradients/tappedGraph.ts';
import { loadTokenizer } from '../../../operators/tokens/loadTokenizer.ts';
import { poisonedModel, poisonedText } from '../../poisonedModel.ts';
import { windowBatch } from '../../windowBatch.ts';
import {
  bundledModel,
  command,
  digests,
  quietHooks,
  readJson,
  readTable,
  run,
  type SmallDocument,
  smallFolder,
  someDocuments,
  someQueries,
  writeWorld,
} from '../smallWorld.ts';

// A run starts worker threads, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const parquet = (name: string): string => `${name}.parquet`;

describe('the same tables, byte for byte', () => {
  it('come from one worker and from two, and from any number of credits', async () => {
    const folder = await smallFolder();
    const documents = Array.from(
      { length: 40 },
      (_, i): SmallDocument => ({
        text: i % 9 === 5 ? '' : `${someDocuments[i % 7].text} Number ${i}. `.repeat(1 + (i % 3)),
        id: `d${i % 30}`,
        source: `source ${i % 4}`,
      }),
    );
    const path = await writeWorld(folder, { slice: { documents: 3, tokens: 400 }, batchTokens: 128 }, documents);
    const found = [];
    for (const [workers, credits] of [
      [1, 1],
      [1, 6],
      [2, 2],
      [2, 9],
    ]) {
      const out = join(folder, `out-${workers}-${credits}`);
      await run(path, [`pool.workers=${workers}`, `pool.credits=${credits}`, `out=${out}`]);
      found.push(await digests(out));
    }
    expect(Object.keys(found[0])).toEqual([
      ...['answer_tasks', 'answers', 'bm25_documents', 'bottom_documents', 'correlation_groups', 'correlations'].map(
        parquet,
      ),
      ...['duplicates', 'findings'].map(parquet),
      'influence.jsonl',
      ...['influence_per_nat', 'influence_per_nat_tasks', 'kind_tasks', 'kinds', 'power_law'].map(parquet),
      ...['power_law_tasks', 'scores', 'shared_documents', 'skipped'].map(parquet),
      ...['source_tasks', 'sources', 'top_documents'].map(parquet),
    ]);
    for (const other of found.slice(1)) expect(other).toEqual(found[0]);
  });
});

/** Exact scores on the bundled model, one document and one query at a time, by dot products written out. */
async function slowScores(folder: string) {
  const settings = { modules: ['*.mlp.*'], contextTokens: 64, batchTokens: 512 };
  const model = await readModelFolder(bundledModel);
  const { modules } = coverModules(model, settings);
  const exact = await writeGradientModel(
    model,
    settings,
    modules,
    modules.map((module) => drawProjection({ kind: 'exact' }, 0, module)),
    folder,
  );
  const project = await projectGradients.open(
    { model: exact, threadsPerWorker: 1, prepack: true },
    { queries: [], tasks: [], topK: 1, seed: 0 },
  );
  const gradient = async (ids: number[], lossFrom = 1) => (await project(windowBatch([{ ids, lossFrom }]))).projected;
  const tokenizer = await loadTokenizer(bundledModel);
  return async ({ prompt, completion }: { prompt: string; completion: string }, document: number[]) => {
    const asked = tokenizer.encode(prompt);
    const query = await gradient([...asked, ...tokenizer.encodeCompletion(completion)], asked.length);
    const blocks = await gradient(document);
    return blocks.reduce((sum, block, m) => sum + block.reduce((s, value, i) => s + value * query[m][i], 0), 0);
  };
}

const relativeError = (found: unknown, expected: number) =>
  Math.abs((found as number) - expected) / Math.max(1, Math.abs(expected));

describe('a score', () => {
  it('is the dot product of the summed-loss gradients of document and completion', async () => {
    const folder = await smallFolder();
    const { out } = await run(await writeWorld(folder, { projection: { kind: 'exact' } }));
    const tokenizer = await loadTokenizer(bundledModel);
    const slow = await slowScores(folder);
    const scores = await readTable(out, 'scores');
    expect(scores).toHaveLength(someDocuments.length * someQueries.length);
    for (const query of someQueries)
      for (const { id, text } of someDocuments) {
        const row = scores.find(({ query_id, document_id }) => query_id === query.id && document_id === id);
        const expected = await slow(query, tokenizer.encode(text as string).slice(0, 64));
        expect(relativeError(row?.score, expected)).toBeLessThan(1e-4);
      }
  });

  it('of a split document is the sum of its windows’, and a cut one has its first alone', async () => {
    const folder = await smallFolder();
    const text = someDocuments.map((document) => document.text).join(' ');
    const ids = (await loadTokenizer(bundledModel)).encode(text);
    const windows = Array.from({ length: Math.ceil(ids.length / 64) }, (_, w) => ids.slice(64 * w, 64 * w + 64));
    expect(windows.length).toBeGreaterThan(1);
    const slow = await slowScores(folder);
    const expected = await Promise.all(windows.map((window) => slow(someQueries[0], window)));
    const path = await writeWorld(folder, { projection: { kind: 'exact' } }, [{ text }]);
    const scored = async (longDocuments: string) => {
      const { out } = await run(path, [`longDocuments=${longDocuments}`]);
      const [{ score }] = await readTable(out, 'scores');
      return { score, counts: (await readJson(out, 'run.json')).counts };
    };
    const cut = await scored('cut');
    const split = await scored('split');
    expect(relativeError(cut.score, expected[0])).toBeLessThan(1e-4);
    expect(
      relativeError(
        split.score,
        expected.reduce((a, b) => a + b),
      ),
    ).toBeLessThan(1e-4);
    // Each window's first token is given, not predicted.
    expect(cut.counts).toMatchObject({ read: 1, tokens: 63 });
    expect(split.counts).toMatchObject({ read: 1, tokens: ids.length - windows.length });
  });
});

describe('what is read', () => {
  it('is scored or set aside with its reason, and the counts say so', async () => {
    const folder = await smallFolder();
    const odd: SmallDocument[] = [{ text: null }, { text: '' }, { text: ' \n\t' }, { text: 'nul\0' }];
    const { out, summary } = await run(await writeWorld(folder, {}, [...odd, ...someDocuments]));
    const skipped = await readTable(out, 'skipped');
    expect(skipped.map(({ row, reason }) => [Number(row), reason])).toEqual([
      [0, 'null text'],
      [1, 'empty text'],
      [2, 'whitespace only'],
      [3, 'invalid text'],
    ]);
    const { counts } = await readJson(out, 'run.json');
    expect(counts).toMatchObject({ read: 11, scored: 7, setAside: { unreadable: 0 } });
    expect(summary).toContain('11 read = 7 scored + 4 set aside');
    expect(await readTable(out, 'scores')).toHaveLength(14);
  });

  it('keeps documents of one id apart by file and row, and counts them', async () => {
    const folder = await smallFolder();
    const twice = [...someDocuments, ...someDocuments.slice(0, 2)];
    const { out, summary } = await run(await writeWorld(folder, {}, twice));
    expect(summary).toContain('2 documents carry an id that an earlier one carries');
    const scores = await readTable(out, 'scores');
    expect(scores.filter(({ document_id }) => document_id === 'd0').map(({ row }) => Number(row))).toEqual([
      0, 0, 7, 7,
    ]);
  });

  it('keeps the lower row of equal scores, at both ends', async () => {
    const folder = await smallFolder();
    const same = Array.from({ length: 6 }, (_, i) => ({ ...someDocuments[0], id: `d${i}` }));
    for (const slice of [{ documents: 1 }, { documents: 4 }, { documents: 100 }]) {
      const { out } = await run(await writeWorld(folder, { slice, topK: 2, batchTokens: 2 }, same));
      for (const table of ['top_documents', 'bottom_documents']) {
        const rows = (await readTable(out, table)).filter(({ query_id }) => query_id === 'france');
        expect(rows.map(({ document_id }) => document_id)).toEqual(['d0', 'd1']);
      }
    }
  });

  it('sets aside a document whose loss is not finite, and scores the others as if it were not there', async () => {
    const folder = await smallFolder();
    const model = await poisonedModel(folder);
    const poisoned = [someDocuments[0], { text: poisonedText, id: 'poison', source: 'prose' }, someDocuments[1]];
    const { out } = await run(await writeWorld(folder, { model }, poisoned));
    expect(await readTable(out, 'skipped')).toMatchObject([{ document_id: 'poison', reason: 'not finite' }]);
    const scores = (await readTable(out, 'scores')).map(({ score }) => score);
    expect(scores).toHaveLength(4);
    expect(scores.every((score) => Number.isFinite(score as number))).toBe(true);
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 3, scored: 2 });
  });
});

describe('the query cache', () => {
  it('is used again by the next run and not by one of another seed', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    const said = async (...sets: string[]) => {
      const hooks = quietHooks();
      await run(path, sets, hooks);
      return hooks.lines.join();
    };
    expect(await said()).toContain('query gradients: written to');
    expect(await said()).toContain('query gradients: reused from');
    expect(await said('seed=1')).toContain('query gradients: written to');
  });
});

describe('a run that is stopped before it scores', () => {
  it.each(['before the pool opens', 'during the query gradients'])(
    '%s rejects with the reason of the stop',
    async (when) => {
      const path = await writeWorld(await smallFolder());
      const stop = new AbortController();
      const hooks = quietHooks(stop.signal);
      const reason = new Error('stopped by the test');
      if (when === 'before the pool opens') stop.abort(reason);
      hooks.progress.stage = (name) => {
        if (name === 'query gradients') stop.abort(reason);
      };
      await expect(run(path, [], hooks)).rejects.toBe(reason);
    },
  );
});

describe('the command line', () => {
  it('runs to exit 0 with a summary, and refuses a folder that is not a run’s', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    const done = await command('run', path, '--quiet', '--out', join(folder, 'out'), '--limit', '3');
    expect(done).toMatchObject({ exitCode: 0, stderr: '' });
    expect(done.stdout).toContain('3 read = 3 scored + 0 set aside');
    const again = await command('run', path, '--quiet', '--out', join(folder, 'out'), '--limit', '3');
    expect(again).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('this run is done already') });
    const other = await command('run', path, '--quiet', '--out', join(folder, 'out'), '--limit', '2');
    expect(other.exitCode).toBe(5);
    expect(other.stderr).toMatch(
      /the run in .*out was made for something else: corpus\.limit \(expected 2, found 3\)\. Name another folder with --out, or begin again/,
    );
    const refused = await command('run', path, '--quiet', '--out', folder);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('expected an empty folder or an earlier run');
  });

  it('computes the query gradients alone, and plans', async () => {
    const path = await writeWorld(await smallFolder());
    const queries = await command('queries', path, '--quiet');
    expect(queries).toMatchObject({ exitCode: 0 });
    expect(queries.stdout).toMatch(/france: \d+\.\d\d nats over \d completion tokens/);
    const plan = await command('plan', path, '--quiet');
    expect(plan).toMatchObject({ exitCode: 0 });
    expect(plan.stdout).toMatch(/tracks 12 of 28 linear layers/);
    expect(plan.stdout).toMatch(/corpus: 7 documents in 1 files?, about \d+ tokens/);
    expect(plan.stdout).toMatch(/time: about .+ at [\d,]+ tokens\/s, measured/);
  });

  const faults: [string, Record<string, unknown>, number, RegExp][] = [
    ['no such corpus', { corpus: { files: ['none/*.parquet'] } }, 3, /got no files for ".*none\/\*\.parquet"/],
    ['a file that is not Parquet', { corpus: { files: ['queries.jsonl'] } }, 3, /queries\.jsonl/],
    ['no such text column', { corpus: { files: ['corpus.parquet'], textColumn: 'txt' } }, 3, /text/],
    ['no such model', { model: './nowhere' }, 3, /expected a Hugging Face model folder/],
    ['no such queries', { queries: 'nowhere.jsonl' }, 3, /could not read .*nowhere\.jsonl/],
    ['modules that match nothing', { modules: ['*.experts.*'] }, 3, /matches none of the model's 28 linear layers/],
    [
      'a context beyond the model’s',
      { contextTokens: 100000 },
      3,
      /expected at most the model's max_position_embeddings/,
    ],
    ['an operator that is not there', { operators: ['./nowhere.ts'] }, 3, /operator .*nowhere\.ts could not be loaded/],
    ['an unknown key', { topk: 5 }, 2, /topK/],
  ];
  it.each(faults)('ends with a clear error for %s', async (_name, settings, exitCode, message) => {
    const path = await writeWorld(await smallFolder(), settings);
    const failed = await command('run', path, '--quiet');
    expect(failed.stderr).toMatch(message);
    expect(failed.stderr).not.toContain('    at ');
    expect(failed.exitCode).toBe(exitCode);
  });
});

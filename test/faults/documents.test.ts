import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  bundledModel,
  command,
  readJson,
  readTable,
  run,
  type SmallDocument,
  smallFolder,
  someDocuments,
  writeWorld,
} from '../pipeline/smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });

describe('a document with nothing to score', () => {
  it('is counted with its reason, and is in no table of scores: null, empty, white space, one token', async () => {
    const folder = await smallFolder();
    const model = await modelWithoutFirstToken(folder);
    const nothing: SmallDocument[] = [{ text: null }, { text: '' }, { text: ' \t\n\u00a0\u3000' }, { text: '7' }];
    const documents = nothing.flatMap((document, i) => [{ ...document, id: `n${i}` }, someDocuments[i]]);
    const path = await writeWorld(folder, { model, maxSkipped: { share: 1 } }, documents);
    const { out, summary } = await run(path);
    expect(
      (await readTable(out, 'skipped')).map(({ row, document_id, reason }) => [Number(row), document_id, reason]),
    ).toEqual([
      [0, 'n0', 'null text'],
      [2, 'n1', 'empty text'],
      [4, 'n2', 'whitespace only'],
      [6, 'n3', 'one token'],
    ]);
    const { counts } = await readJson(out, 'run.json');
    expect(counts).toMatchObject({ read: 8, scored: 4 });
    expect(summary).toContain('8 read = 4 scored + 4 set aside');
    for (const table of ['scores', 'top_documents', 'bottom_documents'])
      for (const { document_id } of await readTable(out, table)) expect(document_id).toMatch(/^d\d$/);
  });
});

/** The bundled model whose texts begin with no token of their own: a text may then be a single one. */
async function modelWithoutFirstToken(folder: string): Promise<string> {
  const model = join(folder, 'model');
  await cp(bundledModel, model, { recursive: true });
  const path = join(model, 'tokenizer.json');
  const tokenizer = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...tokenizer, post_processor: null }));
  return model;
}

describe('a corpus', () => {
  it('of no rows runs to its end, with tables that say so', async () => {
    const { out, summary } = await run(await writeWorld(await smallFolder(), {}, []));
    expect(summary).toContain('0 read = 0 scored + 0 set aside');
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 0, scored: 0 });
    expect(await readTable(out, 'scores')).toEqual([]);
  });

  it('of one document runs to its end, and ranks it first and last', async () => {
    const { out } = await run(await writeWorld(await smallFolder(), {}, someDocuments.slice(0, 1)));
    for (const table of ['top_documents', 'bottom_documents'])
      expect(
        (await readTable(out, table)).map(({ query_id, rank, document_id }) => [query_id, Number(rank), document_id]),
      ).toEqual([
        ['france', 1, 'd0'],
        ['sum', 1, 'd0'],
      ]);
  });

  it('that no file matches ends the run with the pattern and where it was looked for', async () => {
    const path = await writeWorld(await smallFolder(), { corpus: { files: ['nowhere/*.parquet'] } });
    const failed = await command('run', path, '--quiet');
    expect(failed.stderr).toMatch(/got no files for ".*nowhere\/\*\.parquet"/);
    expect(failed.exitCode).toBe(3);
  });
});

describe('equal scores', () => {
  it('at the k-th place leave the lower rows, for any workers, slices and parts', async () => {
    const folder = await smallFolder();
    await writeFile(
      join(folder, 'constant.js'),
      `export default { kind: 'map', name: 'constant', takes: 'scores', gives: 'scores', lane: 'pool', open: () => (batch) =>
        ({ ...batch, scores: batch.scores.map((_, i) => (i % 2 ? -1 : 1)) }) };`,
    );
    const documents = Array.from({ length: 21 }, (_, i) => ({ ...someDocuments[i % 7], id: `d${i}` }));
    const path = await writeWorld(folder, { operators: ['./constant.js'], topK: 5 }, documents);
    for (const [workers, slice, batchTokens] of [
      [1, 100, 512],
      [2, 1, 64],
      [2, 4, 64],
    ]) {
      const { out } = await run(path, [
        `pool.workers=${workers}`,
        `slice.documents=${slice}`,
        `batchTokens=${batchTokens}`,
        `out=out-${workers}-${slice}`,
      ]);
      for (const table of ['top_documents', 'bottom_documents'])
        for (const query of ['france', 'sum']) {
          const rows = (await readTable(out, table)).filter(({ query_id }) => query_id === query);
          expect(rows.map(({ document_id }) => document_id)).toEqual(['d0', 'd1', 'd2', 'd3', 'd4']);
        }
    }
  });
});

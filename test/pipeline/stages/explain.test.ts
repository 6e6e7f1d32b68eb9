import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { readJson, readTable, run, smallFolder, someDocuments, writeWorld } from '../smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('../pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

type Row = Record<string, unknown>;
const keyOf = ({ query_id, rank }: Row) => `${query_id} ${rank}`;

/** (query, rank) to the sum of its rows' influence. */
function sums(rows: Row[], end: string): Map<string, number> {
  const total = new Map<string, number>();
  for (const row of rows)
    if (row.end === end) total.set(keyOf(row), (total.get(keyOf(row)) ?? 0) + (row.influence as number));
  return total;
}

async function expectSums(out: string, explained: number): Promise<void> {
  const [tokens, modules] = [await readTable(out, 'token_influence'), await readTable(out, 'module_influence')];
  for (const end of ['top', 'bottom']) {
    const ranked = (await readTable(out, `${end}_documents`)).filter(({ rank }) => (rank as number) <= explained);
    expect(ranked.length).toBeGreaterThan(0);
    for (const rows of [tokens, modules]) {
      const total = sums(rows, end);
      expect(total.size).toBe(ranked.length);
      for (const row of ranked) {
        const score = row.score as number;
        expect(Math.abs(total.get(keyOf(row))! - score)).toBeLessThan(1e-4 * Math.max(1e-6, Math.abs(score)));
      }
    }
  }
}

describe('the influence of the first documents by token and by layer', () => {
  it.each([
    ['as it is projected', {}],
    ['exactly', { projection: { kind: 'exact' } }],
    ['as cosines', { cosine: true }],
    [
      'with curvature',
      { preconditioner: { kind: 'ekfac' }, projection: { kind: 'queryAdaptive', k: 16 }, fit: { documents: 7 } },
    ],
    ['of documents of several windows', { contextTokens: 12, longDocuments: 'split' }],
  ])('sums to the score, %s', async (_what, settings) => {
    const { out } = await run(await writeWorld(await smallFolder(), { explain: { documents: 2 }, ...settings }));
    await expectSums(out, 2);
  });

  it('names every token, which together are the document', async () => {
    const { out } = await run(await writeWorld(await smallFolder(), { explain: { documents: 1 } }));
    const tokens = await readTable(out, 'token_influence');
    const [top] = await readTable(out, 'top_documents');
    const own = tokens.filter((row) => row.end === 'top' && keyOf(row) === keyOf(top));
    expect(own.map(({ position }) => position)).toEqual(own.map((_, t) => t));
    expect(own.map(({ token }) => token).join('')).toContain((top.text as string).slice(0, 20));
    expect(own[0].document_id).toBe(top.document_id);
  });

  it('flags ranked documents that were looked at, and leaves the others open', async () => {
    const { out } = await run(await writeWorld(await smallFolder(), { explain: { documents: 1 } }));
    for (const row of await readTable(out, 'top_documents')) {
      expect(typeof row.one_token).toBe(row.rank === 1 ? 'boolean' : 'object');
      expect(typeof row.token_concentration).toBe(row.rank === 1 ? 'number' : 'object');
    }
  });

  it('is not written where none is asked for', async () => {
    const { out } = await run(await writeWorld(await smallFolder(), { explain: { documents: 0 } }));
    expect((await readJson(out, 'run.json')).tables).not.toContain('token_influence.parquet');
  });

  it('is not written where an operator of the user stands between documents and scores', async () => {
    const folder = await smallFolder();
    const shorten = `export default { kind: 'map', name: 'shorten', takes: 'documents', gives: 'documents', lane: 'pool',
      open: () => (batch) => ({ ...batch, text: batch.text.map((text) => text.slice(0, 30)) }) };`;
    await writeFile(join(folder, 'shorten.mjs'), shorten);
    const { out } = await run(await writeWorld(folder, { operators: ['./shorten.mjs'] }, someDocuments));
    expect((await readJson(out, 'run.json')).tables).not.toContain('token_influence.parquet');
  });
});

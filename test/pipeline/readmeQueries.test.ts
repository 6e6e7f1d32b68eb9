import { readFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { query } from '../operators/report/duckdb.ts';
import { run, smallFolder, someDocuments, writeWorld } from './smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('./pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

const queries = [
  { id: 'france', prompt: 'The capital of France is', completion: ' Paris.', task: 'factual', answers: ['Paris'] },
  { id: 'norway', prompt: 'The capital of Norway is', completion: ' Oslo.', task: 'factual', answers: ['Oslo'] },
  { id: 'sum', prompt: '3 + 4 =', completion: ' 7.', task: 'arithmetic', answers: ['3 + 4 = 7'] },
];

/** The statements of the README's SQL, by the words of their comment. */
async function readmeQueries(): Promise<[title: string, sql: string][]> {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const blocks = [...readme.matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(([, sql]) => sql);
  const statements = blocks.flatMap((sql) => sql.split(/;\s*$/m)).filter((sql) => sql.trim() !== '');
  return statements.map((sql) => [/^-- (.*)$/m.exec(sql)![1], sql]);
}

describe('the DuckDB queries of the README', () => {
  it('are five, and each of them gives rows of a run with its columns', async () => {
    const folder = await smallFolder();
    const settings = { topK: 60, explain: { documents: 2 } };
    const documents = Array.from({ length: 60 }, (_, i) => {
      const { text, source } = someDocuments[i % someDocuments.length];
      return { id: `d${i}`, source, text: `${text} (${i})` };
    });
    const { out } = await run(await writeWorld(folder, settings, documents, queries));
    const statements = await readmeQueries();
    expect(statements).toHaveLength(5);
    for (const [title, sql] of statements) {
      expect(sql).toContain("'runs/bundled/");
      const rows = await query(sql.replaceAll('runs/bundled', out), '');
      // Words in common are few in so small a corpus: every document of a ranking may be among BM25's.
      if (!title.startsWith('2.')) expect(rows.length, title).toBeGreaterThan(0);
    }
  });
});

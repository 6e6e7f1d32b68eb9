import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { splitWords } from '../../../../operators/documents/splitWords.ts';
import {
  command,
  quietHooks,
  readTable,
  run,
  smallFolder,
  someDocuments,
  someQueries,
  writeWorld,
} from '../../smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('../../pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

/** BM25 as it is defined, over whole texts. */
function slowBm25(texts: string[], query: string): number[] {
  const words = texts.map(splitWords);
  const mean = words.reduce((sum, { length }) => sum + length, 0) / words.length;
  return words.map((own) => {
    let score = 0;
    for (const word of new Set(splitWords(query))) {
      const df = words.filter((other) => other.includes(word)).length;
      const tf = own.filter((other) => other === word).length;
      const idf = Math.log(1 + (words.length - df + 0.5) / (df + 0.5));
      score += (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * own.length) / mean));
    }
    return score;
  });
}

const wordFiles = async (folder: string) =>
  (await readdir(join(folder, '.headwater'))).filter((name) => /^words-/.test(name));

describe('BM25 beside influence', () => {
  it.each([1, 2, 7])(
    'is counted over the whole corpus and ranked as its definition says, in slices of %i',
    async (documents) => {
      const folder = await smallFolder();
      const { out } = await run(await writeWorld(folder, { slice: { documents }, topK: 7 }));
      const texts = someDocuments.map(({ text }) => text!);
      const [ranked, influential] = [await readTable(out, 'bm25_documents'), await readTable(out, 'top_documents')];
      for (const { id, prompt, completion } of someQueries) {
        const scores = slowBm25(texts, `${prompt}\n${completion}`);
        const expected = scores.flatMap((score, key) => (score > 0 ? [{ score, id: `d${key}` }] : []));
        expected.sort((a, b) => b.score - a.score);
        const own = ranked.filter(({ query_id }) => query_id === id);
        expect(own.map(({ document_id }) => document_id)).toEqual(expected.map((document) => document.id));
        own.forEach(({ bm25, rank, influence_rank }, i) => {
          expect(bm25).toBeCloseTo(expected[i].score, 12);
          const row = influential.find((top) => top.query_id === id && top.document_id === expected[i].id)!;
          expect([row.bm25_rank, row.rank]).toEqual([rank, influence_rank]);
          expect(row.bm25).toBe(bm25);
        });
      }
    },
  );

  it('keeps its counts in the cache, for this corpus, slice of it and these queries', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    await run(path);
    const [first] = await wordFiles(folder);
    await run(path, ['topK=2']);
    expect(await wordFiles(folder)).toEqual([first]);
    await run(path, ['corpus.limit=3']);
    expect(await wordFiles(folder)).toHaveLength(2);
    await writeWorld(folder, {}, someDocuments, [someQueries[0]]);
    await run(path);
    expect(await wordFiles(folder)).toHaveLength(3);
  });

  it('is left out, with its pass and its table, where it is not asked for', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    const { out } = await run(path);
    await run(path, ['bm25=false']);
    expect(await readdir(out)).not.toContain('bm25_documents.parquet');
    expect(await wordFiles(folder)).toHaveLength(1);
    for (const { bm25, bm25_rank } of await readTable(out, 'top_documents'))
      expect([bm25, bm25_rank]).toEqual([null, null]);
  });

  it('counts again where the file of counts is damaged, which is said', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    const { out } = await run(path);
    const [name] = await wordFiles(folder);
    const file = join(folder, '.headwater', name);
    const whole = await readFile(file);
    await writeFile(file, 'half a fi');
    const hooks = quietHooks();
    const again = await run(path, [`out=${join(folder, 'again')}`], hooks);
    expect(hooks.lines.join('\n')).toContain(`${file} cannot be used and is made again: it has 9 bytes`);
    expect(await readFile(file)).toEqual(whole);
    expect(await readTable(again.out, 'bm25_documents')).toEqual(await readTable(out, 'bm25_documents'));
  });

  it('refuses a file of counts of other queries or documents', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    await run(path);
    const [name] = await wordFiles(folder);
    const file = join(folder, '.headwater', name);
    await run(path, ['corpus.limit=3', `out=${join(folder, 'fewer')}`]);
    const other = (await wordFiles(folder)).find((candidate) => candidate !== name)!;
    await writeFile(join(folder, '.headwater', other), await readFile(file));
    const failed = await command('run', path, '--quiet', '--limit', '3', '--out', join(folder, 'refused'));
    expect(failed.stderr).toMatch(/it was written as "words-\w+\.json", for other queries or documents: remove it/);
    expect(failed.exitCode).toBe(5);
  });
});

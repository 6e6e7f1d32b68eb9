import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { readTable, run, smallFolder, someDocuments, someQueries, writeWorld } from './smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });

/** The README's code blocks that begin with a file name, written into `folder`. */
async function writeReadmeOperators(folder: string): Promise<string[]> {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const blocks = [...readme.matchAll(/^```[jt]s\n(\/\/ (\S+\.[jt]s)\n[\s\S]*?)^```/gm)];
  await Promise.all(blocks.map(([, code, name]) => writeFile(join(folder, name), code)));
  return blocks.map(([, , name]) => name);
}

describe('the operators of the README', () => {
  it('run as they stand there', async () => {
    const folder = await smallFolder();
    expect(await writeReadmeOperators(folder)).toEqual([
      'mean-by-length.ts',
      'per-token.js',
      'watch.ts',
      'verbatim.js',
    ]);
    const watched = vi.spyOn(console, 'error').mockImplementation(() => {});
    const slice = { documents: 3 };
    const plain = await run(
      await writeWorld(folder, { slice, out: 'plain', operators: ['./mean-by-length.ts', './watch.ts'] }),
    );
    const scores = (await readTable(plain.out, 'scores')) as { query_id: string; document_id: string; score: number }[];

    // The observer saw each batch's highest score.
    const batches = [0, 3, 6].map((from) => scores.slice(2 * from, 2 * from + 6).map(({ score }) => score));
    expect(watched.mock.calls.map(([, most]) => most)).toEqual(batches.map((batch) => Math.max(...batch)));
    watched.mockRestore();

    // The fold's means, weighted by their documents, are the mean over all documents.
    const means = (await readTable(plain.out, 'mean_by_length')) as {
      query_id: string;
      documents: number;
      mean_score: number;
    }[];
    for (const { id } of someQueries) {
      const classes = means.filter(({ query_id }) => query_id === id);
      expect(classes.length).toBeGreaterThan(1);
      const total = classes.reduce((sum, { documents, mean_score }) => sum + documents * mean_score, 0);
      const expected = scores.filter(({ query_id }) => query_id === id).reduce((sum, { score }) => sum + score, 0);
      expect(classes.reduce((sum, { documents }) => sum + documents, 0)).toBe(someDocuments.length);
      expect(Math.abs(total - expected)).toBeLessThan(1e-9 * Math.abs(expected));
    }

    // The matcher finds an answer where its text stands as it is.
    const queries = [{ ...someQueries[0], answers: ['paris.', 'Paris. People', 'paris people'] }];
    const matcher = { path: './verbatim.js', settings: { ignoreCase: true } };
    const matched = await run(
      await writeWorld(folder, { out: 'matched', topK: 7, operators: [matcher] }, someDocuments, queries),
    );
    const found = (await readTable(matched.out, 'answers')).map(({ text, document_id }) => [text, document_id]);
    expect(found).toEqual([
      ['paris.', 'd0'],
      ['Paris. People', 'd0'],
      ['paris people', null],
    ]);

    // The map divides every score by the document's tokens, raised to the power of its settings.
    const operators = [{ path: './per-token.js', settings: { power: 0 } }, './per-token.js'];
    const divided = await run(await writeWorld(folder, { out: 'divided', slice, operators }));
    const perToken = (await readTable(divided.out, 'scores')) as typeof scores;
    const ratios = perToken.map(({ score }, i) => scores[i].score / score);
    ratios.forEach((ratio, i) => {
      expect(ratio).toBeCloseTo(Math.round(ratio), 6);
      expect(ratio).toBeCloseTo(ratios[i - (i % 2)], 6);
    });
    expect(Math.min(...ratios)).toBeGreaterThan(1);
  });
});

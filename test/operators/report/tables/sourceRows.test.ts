import { describe, expect, it } from 'vitest';
import {
  kindColumns,
  kindRows,
  kindTaskColumns,
  kindTaskRows,
  sourceColumns,
  sourceRows,
  sourceTaskColumns,
  sourceTaskRows,
} from '../../../../operators/report/tables/sourceRows.ts';
import { documents, queries, results, sourceOf, topK } from '../smallRun.ts';

const { topDocuments, sourceCounts } = results();
const kinds = new Map([...documents.keys()].map((key) => [key, sourceOf(key)]));
const kindCounts = {
  ...sourceCounts,
  kinds: sourceCounts.sources.map(({ source, documents }) => ({ kind: source, documents })),
};

describe('sourceTaskRows', () => {
  const tasks = queries.map((query, q) => ({ ...query, task: q === 2 ? '' : 'arithmetic' }));
  const rows = [...sourceTaskRows(topDocuments, sourceCounts, tasks, documents, topK)];

  it("adds up a task's rows of sources, and leaves out queries without a task", () => {
    const each = [...sourceRows(topDocuments, sourceCounts, tasks.slice(0, 2), documents, topK)];
    expect(rows).toHaveLength(2);
    for (const row of rows) {
      const own = each.filter(({ source }) => source === row.source);
      const sum = (column: string) => own.reduce((total, each) => total + (each[column] as number), 0);
      expect(row).toEqual({
        task: 'arithmetic',
        source: row.source,
        k: topK,
        queries: 2,
        documents: own[0].documents,
        share_of_corpus: own[0].share_of_corpus,
        in_top_k: sum('in_top_k'),
        top_ratio: expect.closeTo(sum('top_ratio') / 2, 12),
        over_represented: 0,
        in_bottom_k: sum('in_bottom_k'),
        bottom_ratio: expect.closeTo(sum('bottom_ratio') / 2, 12),
        bottom_over_represented: 0,
      });
    }
    expect(Object.keys(rows[0])).toEqual(Object.keys(sourceTaskColumns));
  });

  it('says null of shares and ratios where the counts were given up', () => {
    const givenUp = { ...sourceCounts, givenUp: true, sources: [] };
    const [row] = sourceTaskRows(topDocuments, givenUp, tasks, documents, topK);
    expect(row).toMatchObject({ documents: null, share_of_corpus: null, top_ratio: null, over_represented: 0 });
  });

  it('has no rows where no query has a task', () => {
    const none = queries.map((query) => ({ ...query, task: '' }));
    expect([...sourceTaskRows(topDocuments, sourceCounts, none, documents, topK)]).toEqual([]);
  });
});

describe('kindRows and kindTaskRows', () => {
  it('are the rows of sources under another name', () => {
    const renamed = ({ source, ...row }: Record<string, unknown>) => ({ ...row, kind: source });
    expect([...kindRows(topDocuments, kindCounts, queries, kinds, topK)]).toEqual(
      [...sourceRows(topDocuments, sourceCounts, queries, documents, topK)].map(renamed),
    );
    expect([...kindTaskRows(topDocuments, kindCounts, queries, kinds, topK)]).toEqual(
      [...sourceTaskRows(topDocuments, sourceCounts, queries, documents, topK)].map(renamed),
    );
  });

  it('leave out documents without a kind', () => {
    const [row] = kindRows(topDocuments, kindCounts, queries, new Map(), topK);
    expect(row).toMatchObject({ kind: 'wiki', in_top_k: 0, top_ratio: 0, top_p: 1 });
  });

  it('have the columns of the run folder in their order', () => {
    const [row] = kindRows(topDocuments, kindCounts, queries, kinds, topK);
    expect(Object.keys(row)).toEqual(Object.keys(kindColumns));
    expect(Object.keys(kindColumns)).toEqual(Object.keys(sourceColumns).map((name) => (name === 'source' ? 'kind' : name))); // biome-ignore format: one line
    expect(Object.keys(kindTaskColumns).slice(0, 4)).toEqual(['task', 'kind', 'k', 'queries']);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CorpusDocument } from '../../../operators/documents/corpusDocument.ts';
import { lineWidth } from '../../../operators/report/oneLine.ts';
import { summary } from '../../../operators/report/summary.ts';
import { queries, results } from './smallRun.ts';

describe('summary', () => {
  test('shows the first queries with their top documents, what a positive score means, and the counts', () => {
    expect(summary(results(), { queriesShown: 2, documentsShown: 2, opponentsShown: 1 }).split('\n')).toEqual([
      'A positive score: the document made the completion more likely (a proponent). Negative: less likely',
      '(an opponent).',
      '',
      'capital (facts)',
      '  prompt      The capital of France is',
      '  completion  Paris',
      '  +7.000  wiki  d1  Text of document 11.',
      '  +6.000  wiki  d0  Text of document 10.',
      '  -4.000  code  d0  Text of document 0.',
      '',
      'slope (arithmetic)',
      '  prompt      The slope through (1, 2) and (3, 6) is',
      '  completion  2',
      '  +10.00  wiki  d0  Text of document 10.',
      '  +9.000  code  d3  Text of document 3.',
      '',
      '1 more query in top_documents.parquet',
      '',
      'Documents  12 read = 11 scored + 1 set aside (1 one token; see skipped.parquet)',
      '           110 tokens, mean loss 2.500 nats',
      '           2 documents carry an id that an earlier one carries: kept apart by file and row',
      '           wiki 7 (64%), code 4 (36%)',
    ]);
  });

  test('leaves out the source column where no source is configured', () => {
    const run = results();
    const documents = new Map([...run.documents].map(([key, document]) => [key, { ...document, source: null }]));
    const sourceCounts = { ...run.sourceCounts, sources: [] };
    const lines = summary({ ...run, documents, sourceCounts }, { documentsShown: 1 }).split('\n');
    expect(lines).toContain('  +7.000  d1  Text of document 11.');
    expect(lines.at(-1)).toContain('kept apart by file and row');
  });

  test('says when sources were too many to count and when repeated ids are an estimate', () => {
    const run = results();
    const text = summary({
      ...run,
      sourceCounts: { ...run.sourceCounts, sources: [], givenUp: true },
      repeatedIds: { documents: 5e6, repeated: 12_345, exact: false },
    });
    expect(text).toContain('more than 10,000 distinct sources: not counted');
    expect(text).toContain('about 12,345 documents carry an id that an earlier one carries');
  });

  test('stands when no document was scored', () => {
    const run = results();
    const none = {
      query: new Uint32Array(),
      rank: new Uint32Array(),
      score: new Float64Array(),
      key: new Float64Array(),
    };
    const counts = { ...run.counts, read: 1, scored: 0, tokens: 0, loss: 0 };
    const text = summary({ ...run, topDocuments: { top: none, bottom: none }, counts });
    expect(text).toContain('Documents  1 read = 0 scored + 1 set aside');
    expect(text).not.toContain('NaN');
  });

  test('lets no line grow wider than asked and no control character through, whatever stands in the files', () => {
    const wild = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u001b]0;owned\u0007', '\u202e', '日本'.repeat(99)),
    );
    const run = results();
    const property = fc.property(wild, wild, wild, fc.integer({ min: 20, max: 120 }), (id, source, text, width) => {
      const documents = new Map<number, CorpusDocument>(
        [...run.documents].map(([key, document]) => [key, { ...document, id, source, text }]),
      );
      const odd = queries.map((query) => ({ ...query, id, task: source, prompt: text, completion: id }));
      const sourceCounts = { ...run.sourceCounts, sources: [{ source, documents: 11 }] };
      for (const line of summary({ ...run, queries: odd, documents, sourceCounts }, { width }).split('\n')) {
        expect(lineWidth(line)).toBeLessThanOrEqual(width);
        expect(line).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      }
    });
    fc.assert(property, { numRuns: 100 });
  });
});

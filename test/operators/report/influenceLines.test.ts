import { describe, expect, test } from 'vitest';
import { type InfluenceLine, influenceLines } from '../../../operators/report/influenceLines.ts';
import { documents, queries, results, texts } from './smallRun.ts';

const { topDocuments } = results();
const parsed = (lines: Iterable<string>) => Array.from(lines, (line) => JSON.parse(line) as InfluenceLine);

describe('influenceLines', () => {
  test("are one object per query in the PAIR viewer's field names", () => {
    const lines = parsed(influenceLines(topDocuments, queries, documents));
    expect(lines.length).toBe(3);
    expect(lines[0]).toEqual({
      example_id: 'capital',
      query_set: 'headwater',
      task: 'facts',
      inputs_plaintext: 'The capital of France is',
      targets_plaintext: ' Paris',
      groundtruth: 'Paris',
      proponents: [11, 10, 9, 8].map((key) => texts[key]),
      proponent_ids: ['d1', 'd0', 'd9', 'd8'],
      proponent_scores: [7, 6, 5, 4],
      opponents: [0, 1, 2, 3].map((key) => texts[key]),
      opponent_ids: ['d0', 'd1', 'd2', 'd3'],
      opponent_scores: [-4, -3, -2, -1],
    });
    expect(lines[1]).not.toHaveProperty('groundtruth');
  });

  test('call no document of positive score an opponent, nor one of zero a proponent', () => {
    const [, slope, flat] = parsed(influenceLines(topDocuments, queries, documents));
    expect(slope.opponents).toEqual([]);
    expect(flat.proponents.length).toBe(4);
    expect(flat.opponents).toEqual([]);
  });

  test('hold as many documents as asked for', () => {
    const [capital] = parsed(influenceLines(topDocuments, queries, documents, 2));
    expect(capital.proponent_scores).toEqual([7, 6]);
    expect(capital.opponent_scores).toEqual([-4, -3]);
  });

  test('stay one line each, whatever stands in the text', () => {
    const text = 'a\nb\rc\u0085d\u2028e\u2029f</script>\u0000"\ud83d';
    const odd = new Map([...documents].map(([key, document]) => [key, { ...document, text }]));
    for (const line of influenceLines(topDocuments, queries, odd)) {
      expect(line).not.toMatch(/[\n\r\u0085\u2028\u2029\0]/);
      expect((JSON.parse(line) as InfluenceLine).proponents[0]).toBe(text);
    }
  });
});

import { describe, expect, it } from 'vitest';
import {
  type ExplainedDocument,
  moduleInfluenceRows,
  tokenConcentration,
  tokenInfluenceRows,
} from '../../../../operators/report/tables/influenceRows.ts';

const document: ExplainedDocument = {
  queryId: 'q',
  end: 'top',
  rank: 2,
  documentId: 'd',
  file: 'a.parquet',
  row: 7,
  ids: [5, 6],
  texts: ['a', ' b'],
  tokens: Float64Array.of(1, -3),
  modules: Float64Array.of(-2, 0),
};
const place = { query_id: 'q', end: 'top', rank: 2, document_id: 'd', file: 'a.parquet', row: 7 };

describe('tokenInfluenceRows', () => {
  it('gives each position its token and what it adds to the score', () => {
    expect([...tokenInfluenceRows([document])]).toEqual([
      { ...place, position: 0, token_id: 5, token: 'a', influence: 1 },
      { ...place, position: 1, token_id: 6, token: ' b', influence: -3 },
    ]);
  });
});

describe('moduleInfluenceRows', () => {
  it('gives each layer its share', () => {
    expect([...moduleInfluenceRows([document], ['up', 'down'])]).toEqual([
      { ...place, module: 'up', influence: -2 },
      { ...place, module: 'down', influence: 0 },
    ]);
  });
});

describe('tokenConcentration', () => {
  it('is 1 for one token, 1/√T for T that carry alike, and 0 for no influence', () => {
    expect(tokenConcentration(Float64Array.of(0, -4, 0))).toEqual({ concentration: 1, oneToken: true });
    expect(tokenConcentration(new Float64Array(16).fill(2))).toEqual({ concentration: 0.25, oneToken: false });
    expect(tokenConcentration(new Float64Array(3))).toEqual({ concentration: 0, oneToken: false });
  });

  it('flags a document whose concentration is above two thirds', () => {
    expect(tokenConcentration(Float64Array.of(1, 1)).oneToken).toBe(true); // 0.707
    expect(tokenConcentration(Float64Array.of(1, 1, 1)).oneToken).toBe(false); // 0.577
    expect(tokenConcentration(Float64Array.of(6, 1, 1, 1)).oneToken).toBe(true); // 0.694
    expect(tokenConcentration(Float64Array.of(5, 1, 1, 1)).oneToken).toBe(false); // 0.661
  });
});

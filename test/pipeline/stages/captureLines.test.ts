import { describe, expect, it } from 'vitest';
import type { LayerWidths, QueryCache } from '../../../operators/queries/queryCache.ts';
import { capturedShare, captureLines, projectionCosts } from '../../../pipeline/stages/captureLines.ts';
import type { PreparedModel } from '../../../pipeline/stages/prepare.ts';

const modules = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, inputOf: name, outputs: 100, inputs: 200 }));
const layers: LayerWidths[] = [
  { outputs: 100, inputs: 16, share: 0.5, captured: 0.98 },
  { outputs: 32, inputs: 32, share: 0.2, captured: 0.9 },
  { outputs: 16, inputs: 8, share: 0.2, captured: 0.75 },
  { outputs: 16, inputs: 24, share: 0.1, captured: 0.5 },
  { outputs: 16, inputs: 24, share: 0, captured: 0 },
];

const linesOf = (found: LayerWidths[] | null) => {
  const configuration = { projection: { kind: 'queryAdaptive' } };
  const prepared = { coverage: { modules }, configuration } as unknown as PreparedModel;
  return captureLines(prepared, { layers: found } as QueryCache);
};

describe('captureLines', () => {
  it('say what the projection costs, how much it keeps, and the three layers that lose most', () => {
    expect(linesOf(layers)).toEqual([
      'projection queryAdaptive: 14 KiB a query, 0.1 MFLOP a token, 16 to 100 outputs and 8 to 32 inputs kept of a layer',
      "  keeps at least 87.00 % of the scores' variance",
      '  c: 16 × 8 keeps 75.0 % of its 20.0 %',
      '  d: 16 × 24 keeps 50.0 % of its 10.0 %',
      '  b: 32 × 32 keeps 90.0 % of its 20.0 %',
    ]);
  });

  it('leave out layers that lose nothing, and say one width once', () => {
    const whole = modules.map(() => ({ outputs: 100, inputs: 200, share: 0.2, captured: 1 }));
    expect(linesOf(whole)).toEqual([
      expect.stringMatching(/^projection queryAdaptive: .* a query, .* 100 outputs and 200 inputs kept of a layer$/),
      "  keeps at least 100.00 % of the scores' variance",
    ]);
  });

  it('claim nothing where it was not measured, and say nothing of a custom operator’s gradients', () => {
    const unknown = layers.map((layer) => ({ ...layer, captured: null }));
    expect(capturedShare(unknown)).toBeNull();
    expect(linesOf(unknown)).toHaveLength(1);
    expect(linesOf(null)).toEqual([]);
  });
});

describe('projectionCosts', () => {
  it('are bytes a query, work a token and the share kept', () => {
    const costs = projectionCosts(modules, layers);
    expect(costs.bytesPerQuery).toBe(4 * (1600 + 1024 + 128 + 384 + 384));
    // The first layer's outputs are whole.
    const works = [200 * 16 + 1600, 300 * 32 + 1024, 100 * 16 + 200 * 8 + 128, 100 * 16 + 200 * 24 + 384];
    expect(costs.flopPerToken).toBe(2 * (works[0] + works[1] + works[2] + 2 * works[3]));
    expect(costs.capturedShare).toBeCloseTo(0.87, 12);
  });
});

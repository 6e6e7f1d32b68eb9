import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Module } from '../../../../operators/gradients/projections.ts';
import {
  type AllotSettings,
  allotWidths,
  evenWidths,
  projectionCost,
  type Widths,
} from '../../../../operators/queries/projection/allotWidths.ts';
import type { QuerySpectrum } from '../../../../operators/queries/projection/querySpectrum.ts';

interface Layer {
  module: Module;
  spectrum: QuerySpectrum;
}

/** Eigenvalues that fall by a power, `total` together. */
function falling(n: number, power: number, total: number): Float64Array {
  const values = Float64Array.from({ length: n }, (_, j) => (1 + j) ** -power);
  const sum = values.reduce((a, b) => a + b, 0);
  return values.map((value) => (value * total) / sum);
}

function layersOf(maxWidth: number, maxLayers: number): fc.Arbitrary<Layer[]> {
  const layer = fc.record({
    outputs: fc.integer({ min: 1, max: maxWidth }),
    inputs: fc.integer({ min: 1, max: maxWidth }),
    power: fc.double({ min: 0, max: 4, noNaN: true }),
    other: fc.double({ min: 0, max: 4, noNaN: true }),
    total: fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 10, noNaN: true })),
  });
  return fc.array(layer, { minLength: 1, maxLength: maxLayers }).map((all) =>
    all.map(({ outputs, inputs, power, other, total }, m) => ({
      module: { name: `layer ${m}`, inputOf: `layer ${m}`, outputs, inputs },
      spectrum: { outputs: falling(outputs, power, total), inputs: falling(inputs, other, total) },
    })),
  );
}

const budget = { widths: 'shared', numbersPerQuery: Number.POSITIVE_INFINITY } as const;

function allot(layers: Layer[], settings: AllotSettings) {
  const allotted = allotWidths(
    layers.map(({ module }) => module),
    layers.map(({ spectrum }) => spectrum),
    settings,
  );
  return { ...allotted, cost: costOf(layers, allotted.widths), kept: keptOf(layers, allotted.widths) };
}

const costOf = (layers: Layer[], widths: Widths[]) =>
  layers.reduce((sum, { module }, m) => sum + projectionCost(module, widths[m]), 0);

const evenCost = (layers: Layer[], k: number) =>
  costOf(
    layers,
    evenWidths(
      layers.map(({ module }) => module),
      k,
    ),
  );

/** The share of a layer's variance that no side's tail takes away, as a mean over layers: what is kept, at least. */
function keptOf(layers: Layer[], widths: Widths[]): number {
  const sum = (values: Float64Array, from: number) => values.slice(from).reduce((a, b) => a + b, 0);
  const shares = layers.map(({ spectrum }, m) => {
    const total = sum(spectrum.outputs, 0);
    const lost = sum(spectrum.outputs, widths[m].outputs) + sum(spectrum.inputs, widths[m].inputs);
    return total > 0 ? 1 - lost / total : 1;
  });
  return mean(shares);
}

const numbersOf = (widths: Widths[]) => widths.reduce((sum, { outputs, inputs }) => sum + outputs * inputs, 0);

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const ks = fc.integer({ min: 1, max: 80 });

describe('allotWidths', () => {
  it('gives each side at least one dimension and at most its own width, and the cost stays within what k would', () => {
    fc.assert(
      fc.property(layersOf(70, 6), ks, (layers, k) => {
        const { widths, cost } = allot(layers, { ...budget, k });
        expect(cost).toBeLessThanOrEqual(evenCost(layers, k));
        widths.forEach(({ outputs, inputs }, m) => {
          expect(outputs >= 1 && outputs <= layers[m].module.outputs).toBe(true);
          expect(inputs >= 1 && inputs <= layers[m].module.inputs).toBe(true);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('gives every side all k, or its own width, where widths are even', () => {
    fc.assert(
      fc.property(layersOf(70, 6), ks, (layers, k) => {
        const { widths } = allot(layers, { ...budget, k, widths: 'even' });
        widths.forEach(({ outputs, inputs }, m) => {
          const { module } = layers[m];
          expect([outputs, inputs]).toEqual([Math.min(k, module.outputs), Math.min(k, module.inputs)]);
        });
      }),
    );
  });

  it('says of each layer how much it keeps at least, between 0 and 1', () => {
    fc.assert(
      fc.property(layersOf(70, 6), ks, (layers, k) => {
        const { captured, widths } = allot(layers, { ...budget, k });
        captured.forEach((share, m) => {
          expect(share >= 0 && share <= 1).toBe(true);
          expect(share).toBeCloseTo(Math.max(0, keptOf([layers[m]], [widths[m]])), 9);
        });
      }),
    );
  });

  it('keeps everything where k is at least every width', () => {
    fc.assert(
      fc.property(layersOf(30, 4), (layers) => {
        const { widths, captured } = allot(layers, { ...budget, k: 30 });
        for (const [m, { module }] of layers.entries()) {
          if (layers[m].spectrum.outputs[0] === 0) continue;
          expect(widths[m]).toEqual({ outputs: module.outputs, inputs: module.inputs });
          expect(captured[m]).toBeCloseTo(1, 12);
        }
      }),
    );
  });

  it('keeps more, or as much, for a larger k', () => {
    fc.assert(
      fc.property(layersOf(70, 6), ks, fc.integer({ min: 1, max: 20 }), (layers, k, more) => {
        const few = allot(layers, { ...budget, k }).kept;
        expect(allot(layers, { ...budget, k: k + more }).kept).toBeGreaterThanOrEqual(few - 1e-9);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('reaches the fidelity that is asked for, whatever k is', () => {
    const fidelity = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(layersOf(70, 6), fidelity, ks, (layers, wanted, k) => {
        for (const widths of ['shared', 'even'] as const)
          expect(allot(layers, { ...budget, k, widths, fidelity: wanted }).kept).toBeGreaterThanOrEqual(wanted - 1e-9);
      }),
      { numRuns: 300 },
    );
  });

  it('spends less on a lower fidelity, or as much', () => {
    fc.assert(
      fc.property(layersOf(70, 6), fc.double({ min: 0.1, max: 0.99, noNaN: true }), (layers, fidelity) => {
        const cost = (share: number) => allot(layers, { ...budget, k: 1, fidelity: share }).cost;
        expect(cost(0.9 * fidelity)).toBeLessThanOrEqual(cost(fidelity));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('leaves no more numbers of a query than it may, where the narrowest widths would do', () => {
    fc.assert(
      fc.property(layersOf(70, 6), ks, fc.double({ min: 0, max: 1, noNaN: true }), (layers, k, share) => {
        // Keeping a thin side whole may cost less than narrowing it.
        fc.pre(evenCost(layers, 16) <= evenCost(layers, k));
        const free = allot(layers, { ...budget, k });
        const least = numbersOf(
          layers.map(({ module }) => ({ outputs: Math.min(16, module.outputs), inputs: Math.min(16, module.inputs) })),
        );
        const numbersPerQuery = Math.max(least, share * numbersOf(free.widths));
        const bound = allot(layers, { ...budget, k, numbersPerQuery });
        expect(numbersOf(bound.widths)).toBeLessThanOrEqual(numbersPerQuery);
        expect(bound.cost).toBeLessThanOrEqual(evenCost(layers, k));
        expect(bound.kept).toBeLessThanOrEqual(free.kept + 1e-9);
        if (numbersOf(free.widths) <= numbersPerQuery) expect(bound.widths).toEqual(free.widths);
      }),
      { numRuns: 200 },
    );
  });

  /** Every choice of widths in steps of sixteen. */
  function* choices(layers: Layer[]): Generator<Widths[]> {
    const steps = (n: number) => [...Array.from({ length: Math.ceil(n / 16) - 1 }, (_, i) => 16 * (i + 1)), n];
    if (layers.length === 0) return yield [];
    const [{ module }, ...rest] = layers;
    for (const others of choices(rest))
      for (const outputs of steps(module.outputs))
        for (const inputs of steps(module.inputs)) yield [{ outputs, inputs }, ...others];
  }

  it('keeps nearly as much as the best choice of all', () => {
    const shares: number[] = [];
    fc.assert(
      fc.property(layersOf(64, 2), fc.constantFrom(16, 32, 48), (layers, k) => {
        const limit = evenCost(layers, k);
        let best = 0;
        for (const widths of choices(layers))
          if (costOf(layers, widths) <= limit) best = Math.max(best, keptOf(layers, widths));
        const { kept } = allot(layers, { ...budget, k });
        shares.push(best > 0 ? kept / best : 1);
        expect(kept).toBeLessThanOrEqual(best + 1e-9);
      }),
      { seed: 4, numRuns: 200 },
    );
    // A greedy choice may miss a step that is whole or nothing, now and then.
    expect(mean(shares)).toBeGreaterThan(0.98);
    expect(shares.filter((share) => share < 0.95).length).toBeLessThan(shares.length / 20);
  });

  it('spends little more on a fidelity than the cheapest choice of all', () => {
    const ratios: number[] = [];
    fc.assert(
      fc.property(layersOf(64, 2), fc.constantFrom(0.5, 0.8, 0.95), (layers, fidelity) => {
        let cheapest = Number.POSITIVE_INFINITY;
        for (const widths of choices(layers))
          if (keptOf(layers, widths) >= fidelity) cheapest = Math.min(cheapest, costOf(layers, widths));
        ratios.push(allot(layers, { ...budget, k: 1, fidelity }).cost / cheapest);
      }),
      { seed: 4, numRuns: 200 },
    );
    expect(mean(ratios)).toBeLessThan(1.03);
    expect(Math.max(...ratios)).toBeLessThan(1.5);
  });
});

describe('projectionCost', () => {
  it('counts nothing for a side that is kept whole', () => {
    const module = { name: 'a', inputOf: 'a', outputs: 10, inputs: 6 };
    expect(projectionCost(module, { outputs: 10, inputs: 6 })).toBe(2 * 10 * 6);
    expect(projectionCost(module, { outputs: 4, inputs: 6 })).toBe(2 * 10 * 4 + 2 * 4 * 6);
    expect(projectionCost(module, { outputs: 4, inputs: 3 })).toBe(2 * 10 * 4 + 2 * 6 * 3 + 2 * 4 * 3);
  });
});

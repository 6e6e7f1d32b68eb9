/** Shares dimensions out over layers and sides: where they keep most of the scores' variance for what they cost. */
import type { Module } from '../../gradients/projections.ts';
import type { QuerySpectrum } from './querySpectrum.ts';

/** How many dimensions each side of a layer keeps; the side's own width keeps it whole. */
export interface Widths {
  outputs: number;
  inputs: number;
}

export interface AllotSettings {
  /** The budget is what k dimensions on each side of every layer would cost a token. */
  k: number;
  /** In place of a budget: the share of the variance to keep, as a mean over layers. */
  fidelity?: number;
  widths: 'shared' | 'even';
  /** Numbers that one query's gradient may have at all layers together. */
  numbersPerQuery: number;
}

export interface Allotment {
  /** (M) */
  widths: Widths[];
  /** (M) How much of each layer's variance is kept, at least. */
  captured: number[];
}

/** Dimensions come in steps: thin matrix products run at full rate for such widths. */
const STEP = 16;

/** Multiplications and additions a token takes at one layer: a side kept whole is not projected at all. */
export function projectionCost({ outputs, inputs }: Module, widths: Widths): number {
  const side = (n: number, k: number) => (k === n ? 0 : 2 * n * k);
  return side(outputs, widths.outputs) + side(inputs, widths.inputs) + 2 * widths.outputs * widths.inputs;
}

/** The same k on every side, or the side's own width where that is less. */
export function evenWidths(modules: Module[], k: number): Widths[] {
  return modules.map(({ outputs, inputs }) => ({ outputs: Math.min(k, outputs), inputs: Math.min(k, inputs) }));
}

/**
 * The widths that lose least within the budget and `numbersPerQuery`, or the cheapest that keep `fidelity`; `spectra` are the layers'
 * eigenvalues. What a layer loses is at most the sum of both sides' tails (De Lathauwer et al. 2000, property 10).
 */
export function allotWidths(modules: Module[], spectra: QuerySpectrum[], settings: AllotSettings): Allotment {
  const tails = spectra.map(({ outputs, inputs }) => ({ outputs: tailsOf(outputs), inputs: tailsOf(inputs) }));
  const even = settings.widths === 'even' && settings.fidelity === undefined;
  const widths = even
    ? evenWidths(modules, settings.k)
    : sharedWidths(
        modules.map((module, m) => choicesOf(module, tails[m], settings.k)),
        modules,
        settings,
      );
  const captured = widths.map(({ outputs, inputs }, m) => {
    const lost = tails[m].outputs[outputs] + tails[m].inputs[inputs];
    const total = tails[m].outputs[0];
    return total > 0 ? Math.max(0, 1 - lost / total) : 1;
  });
  return { widths, captured };
}

/** tails[k] is the sum of all but the first k. */
function tailsOf(values: Float64Array): Float64Array {
  const tails = new Float64Array(values.length + 1);
  for (let j = values.length - 1; j >= 0; j--) tails[j] = tails[j + 1] + values[j];
  return tails;
}

/** All pairs of widths of one layer, as columns: the share of its variance that each loses, what it costs, and how many numbers it leaves. */
interface Choices {
  outputs: number[];
  inputs: number[];
  lost: Float64Array;
  cost: Float64Array;
  numbers: Float64Array;
}

function choicesOf(module: Module, tails: Record<'outputs' | 'inputs', Float64Array>, k: number): Choices {
  const outputs = stepsOf(module.outputs, k);
  const inputs = stepsOf(module.inputs, k);
  const total = tails.outputs[0];
  const pairs = outputs.flatMap((o) => inputs.map((i) => ({ outputs: o, inputs: i })));
  return {
    outputs: pairs.map((pair) => pair.outputs),
    inputs: pairs.map((pair) => pair.inputs),
    lost: Float64Array.from(pairs, (pair) =>
      total > 0 ? (tails.outputs[pair.outputs] + tails.inputs[pair.inputs]) / total : 0,
    ),
    cost: Float64Array.from(pairs, (pair) => projectionCost(module, pair)),
    numbers: Float64Array.from(pairs, (pair) => pair.outputs * pair.inputs),
  };
}

/** Below the first step k itself, or the budget might buy nothing. */
function stepsOf(width: number, k: number): number[] {
  const steps = Array.from({ length: Math.ceil(width / STEP) - 1 }, (_, i) => (i + 1) * STEP);
  return [...(k < Math.min(STEP, width) ? [k] : []), ...steps, width];
}

interface Picked {
  picks: Int32Array;
  lost: number;
  cost: number;
  numbers: number;
}

/** With a price on cost and on numbers every layer chooses for itself; bisection finds the prices at which the limits are just kept. */
function sharedWidths(layers: Choices[], modules: Module[], { k, fidelity, numbersPerQuery }: AllotSettings): Widths[] {
  const budget = evenWidths(modules, k).reduce((sum, even, m) => sum + projectionCost(modules[m], even), 0);
  const keeps = ({ lost, cost }: Picked) =>
    fidelity === undefined ? cost <= budget : lost > (1 - fidelity) * layers.length;
  // A fidelity is the other way round: the highest price at which it is still kept is just below the lowest at which it is not.
  const atNumbersPrice = (price: number): Picked =>
    bisect((costPrice) => pick(layers, costPrice, price), keeps, fidelity !== undefined);
  const free = atNumbersPrice(0);
  const chosen =
    free.numbers <= numbersPerQuery ? free : bisect(atNumbersPrice, ({ numbers }) => numbers <= numbersPerQuery, false);
  return layers.map(({ outputs, inputs }, m) => ({
    outputs: outputs[chosen.picks[m]],
    inputs: inputs[chosen.picks[m]],
  }));
}

function pick(layers: Choices[], costPrice: number, numbersPrice: number): Picked {
  const picked: Picked = { picks: new Int32Array(layers.length), lost: 0, cost: 0, numbers: 0 };
  layers.forEach(({ lost, cost, numbers }, m) => {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let c = 0; c < lost.length; c++) {
      const worth = lost[c] + costPrice * cost[c] + numbersPrice * numbers[c];
      if (worth < least) {
        least = worth;
        best = c;
      }
    }
    picked.picks[m] = best;
    picked.lost += lost[best];
    picked.cost += cost[best];
    picked.numbers += numbers[best];
  });
  return picked;
}

/** Prices per operation, or per number, of a layer's whole variance: nothing that matters lies outside. */
const LOWEST = 1e-16;
const HIGHEST = 1;
const ROUNDS = 40;

/** The result at the lowest price for which `kept` holds, or with `below` at the highest for which it does not yet. */
function bisect(at: (price: number) => Picked, kept: (picked: Picked) => boolean, below: boolean): Picked {
  let [low, high] = [LOWEST, HIGHEST];
  for (let round = 0; round < ROUNDS; round++) {
    const middle = Math.sqrt(low * high);
    if (kept(at(middle))) high = middle;
    else low = middle;
  }
  return at(below ? low : high);
}

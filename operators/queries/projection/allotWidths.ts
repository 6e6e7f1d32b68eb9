/** Shares dimensions out over layers and sides: where they keep most of the scores' variance for what they cost. */
import type { Module } from '../../gradients/projections.ts';
import type { QuerySpectrum } from './querySpectrum.ts';

/** How many dimensions each side of a layer keeps; the side's own width keeps it whole. */
export interface Widths {
  outputs: number;
  inputs: number;
}

/** Dimensions are given in steps, so that thin matrix products stay at full rate. */
const STEP = 8;

/** Multiplications and additions a token takes at one layer: a side kept whole is not projected at all. */
export function projectionCost({ outputs, inputs }: Module, widths: Widths): number {
  const side = (n: number, k: number) => (k === n ? 0 : 2 * n * k);
  return side(outputs, widths.outputs) + side(inputs, widths.inputs) + 2 * widths.outputs * widths.inputs;
}

/** The same k on every side, or the side's own width where that is less. */
export function evenWidths(modules: Module[], k: number): Widths[] {
  return modules.map(({ outputs, inputs }) => ({ outputs: Math.min(k, outputs), inputs: Math.min(k, inputs) }));
}

export interface Allotment {
  /** (M) */
  widths: Widths[];
  /** (M) How much of each layer's own variance is kept, at least. */
  captured: number[];
}

export interface AllotSettings {
  /** The budget is what k dimensions on each side of every layer would cost. */
  k: number;
  /** In place of a budget: the share of all variance to keep. */
  fidelity?: number;
  widths: 'shared' | 'even';
}

/** Widths within the budget, or the cheapest found that keep `fidelity`; `spectra` are the layers' eigenvalues. */
export function allotWidths(modules: Module[], spectra: QuerySpectrum[], settings: AllotSettings): Allotment {
  const widths =
    settings.widths === 'even' && settings.fidelity === undefined
      ? evenWidths(modules, settings.k)
      : sharedWidths(modules, spectra, settings);
  const captured = spectra.map((spectrum, m) => {
    const lost = tail(spectrum.outputs, widths[m].outputs) + tail(spectrum.inputs, widths[m].inputs);
    const total = tail(spectrum.outputs, 0);
    return total > 0 ? Math.max(0, 1 - lost / total) : 1;
  });
  return { widths, captured };
}

function tail(values: Float64Array, k: number): number {
  let sum = 0;
  for (let j = values.length - 1; j >= k; j--) sum += values[j];
  return sum;
}

type SideName = 'outputs' | 'inputs';

/** A further step on one side of a layer. */
interface Step {
  layer: number;
  side: SideName;
  to: number;
  gain: number;
  cost: number;
}

/** Greedy: the step that keeps most for its cost, again and again. The variance lost is at most the sum of both sides' tails. */
function sharedWidths(modules: Module[], spectra: QuerySpectrum[], { k, fidelity }: AllotSettings): Widths[] {
  const widths = evenWidths(modules, fidelity === undefined ? Math.min(STEP, k) : STEP);
  const tails = spectra.map(({ outputs, inputs }) => ({ outputs: tailsOf(outputs), inputs: tailsOf(inputs) }));
  const cost = () => modules.reduce((sum, module, m) => sum + projectionCost(module, widths[m]), 0);
  const budget = evenWidths(modules, k).reduce((sum, even, m) => sum + projectionCost(modules[m], even), 0);
  const total = tails.reduce((sum, { outputs }) => sum + outputs[0], 0);
  let lost = tails.reduce((sum, t, m) => sum + t.outputs[widths[m].outputs] + t.inputs[widths[m].inputs], 0);
  let spent = cost();
  const best = modules.map((module, m) => bestStep(module, m, widths[m], tails[m]));
  for (;;) {
    const enough = fidelity !== undefined && lost <= (1 - fidelity) * total;
    const room = fidelity === undefined ? budget - spent : enough ? 0 : Number.POSITIVE_INFINITY;
    // What saves work is taken even where there is no room.
    const affordable = (step: Step | null) => step && (step.cost <= 0 || step.cost <= room);
    const step = best.reduce<Step | null>(
      (top, next) => (affordable(next) && (!top || worth(next!) > worth(top)) ? next : top),
      null,
    );
    if (!step) break;
    widths[step.layer] = { ...widths[step.layer], [step.side]: step.to };
    spent += step.cost;
    lost -= step.gain;
    best[step.layer] = bestStep(modules[step.layer], step.layer, widths[step.layer], tails[step.layer]);
  }
  return widths;
}

const worth = ({ gain, cost }: Step): number => (cost <= 0 ? Number.POSITIVE_INFINITY : gain / cost);

function tailsOf(values: Float64Array): Float64Array {
  const tails = new Float64Array(values.length + 1);
  for (let j = values.length - 1; j >= 0; j--) tails[j] = tails[j + 1] + values[j];
  return tails;
}

/** The better of a step on either side; keeping a side whole is a step too, which may even save work. */
function bestStep(module: Module, layer: number, widths: Widths, tails: QueryTails): Step | null {
  const steps = (['outputs', 'inputs'] as const).flatMap((side) => {
    const [n, k] = [module[side], widths[side]];
    if (k === n) return [];
    return [Math.min(n, k + STEP), n].map((to): Step => {
      const cost = projectionCost(module, { ...widths, [side]: to }) - projectionCost(module, widths);
      return { layer, side, to, gain: tails[side][k] - tails[side][to], cost };
    });
  });
  return steps.reduce<Step | null>((top, next) => (!top || worth(next) > worth(top) ? next : top), null);
}

type QueryTails = Record<SideName, Float64Array>;

/** Says what the projection keeps of the scores' variance, by its singular values, and what it costs. */
import type { Module } from '../../operators/gradients/projections.ts';
import { projectionCost } from '../../operators/queries/projection/allotWidths.ts';
import type { LayerWidths, QueryCache } from '../../operators/queries/queryCache.ts';
import { bytesText } from '../terminal/bytesText.ts';
import type { PreparedModel } from './prepare.ts';

/** What the projection of all layers takes and keeps, as run.json has it. */
export function projectionCosts(modules: Module[], layers: LayerWidths[]) {
  return {
    bytesPerQuery: 4 * layers.reduce((sum, { outputs, inputs }) => sum + outputs * inputs, 0),
    flopPerToken: modules.reduce((sum, module, m) => sum + projectionCost(module, layers[m]), 0),
    capturedShare: capturedShare(layers),
    layers,
  };
}

/** Nothing where the gradients are a custom operator's. */
export function captureLines({ coverage, configuration }: PreparedModel, { layers }: QueryCache): string[] {
  if (!layers) return [];
  const { modules } = coverage;
  const { bytesPerQuery, flopPerToken } = projectionCosts(modules, layers);
  const lines = [
    `projection ${configuration.projection.kind}: ${bytesText(bytesPerQuery)} a query, ` +
      `${(flopPerToken / 1e6).toFixed(1)} MFLOP a token, ${range(layers, 'outputs')} outputs and ${range(layers, 'inputs')} inputs kept of a layer`,
  ];
  const kept = capturedShare(layers);
  if (kept !== null)
    lines.push(`  keeps at least ${(100 * kept).toFixed(2)} % of the scores' variance`, ...worstLines(modules, layers));
  return lines;
}

function range(layers: LayerWidths[], side: 'outputs' | 'inputs'): string {
  const widths = layers.map((layer) => layer[side]);
  const [least, most] = [Math.min(...widths), Math.max(...widths)];
  return least === most ? `${least}` : `${least} to ${most}`;
}

/** Σ share · captured; null where it is not known. */
export function capturedShare(layers: LayerWidths[]): number | null {
  let kept = 0;
  for (const { share, captured } of layers) {
    if (share === null || captured === null) return null;
    kept += share * captured;
  }
  return kept;
}

const WORST_SHOWN = 3;

/** The layers that lose most. */
function worstLines(modules: Module[], layers: LayerWidths[]): string[] {
  return layers
    .map(({ share, captured, outputs, inputs }, m) => ({
      lost: share! * (1 - captured!),
      text: `  ${modules[m].name}: ${outputs} × ${inputs} keeps ${(100 * captured!).toFixed(1)} % of its ${(100 * share!).toFixed(1)} %`,
    }))
    .sort((a, b) => b.lost - a.lost)
    .slice(0, WORST_SHOWN)
    .filter(({ lost }) => lost > 1e-4)
    .map(({ text }) => text);
}

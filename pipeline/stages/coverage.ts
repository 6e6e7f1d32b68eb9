/** Says which linear layers are tracked and which are not: influence through what is not tracked is not seen. */
import type { Coverage } from '../../operators/gradients/tappedGraph.ts';

/** Two lines: what is tracked with its share of the parameters, and the kinds of layers that are left out. */
export function coverageLines({ modules, untracked, trackedParameters, parameters }: Coverage): string[] {
  const share = ((100 * trackedParameters) / parameters).toFixed(1);
  const layers = modules.length + untracked.length;
  const tracked =
    `tracks ${modules.length} of ${layers} linear layers, ${trackedParameters.toLocaleString('en')} of ` +
    `${parameters.toLocaleString('en')} parameters (${share} %): ${kinds(modules.map(({ name }) => name))}`;
  if (untracked.length === 0) return [tracked, 'not tracked: embeddings, norms, the output head'];
  return [tracked, `not tracked: ${kinds(untracked)}, embeddings, norms, the output head`];
}

/** Names with their layer numbers folded: 90 layers are three kinds. */
function kinds(names: string[]): string {
  return [...new Set(names.map((name) => name.replace(/\.\d+\./g, '.*.')))].join(', ');
}

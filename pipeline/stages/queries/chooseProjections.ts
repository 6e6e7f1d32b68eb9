/** How each layer is projected: as the configuration says, or by what its queries' gradients look like. */
import { join } from 'node:path';
import { drawProjection } from '../../../operators/gradients/projections.ts';
import { allotWidths, evenWidths, type Widths } from '../../../operators/queries/projection/allotWidths.ts';
import type { QueryNorms } from '../../../operators/queries/projection/measureQueries.ts';
import type { LayerProjection } from '../../../operators/queries/projection/queryCores.ts';
import type { QuerySpectrum, SpectrumTask } from '../../../operators/queries/projection/querySpectrum.ts';
import type { TapsFile } from '../../../operators/queries/projection/tapsFile.ts';
import type { LayerWidths } from '../../../operators/queries/queryCache.ts';
import type { Configuration } from '../../../schemas/configuration.ts';
import { builtIn } from '../../operators/loadOperator.ts';
import { weightingOf } from '../wantedFactors.ts';
import { byLayer, layerTask, type Projecting } from './projecting.ts';

export interface Chosen {
  projections: LayerProjection[];
  layers: LayerWidths[];
}

/** `norms` are the layers', in their order. */
export async function chooseProjections(projecting: Projecting, taps: TapsFile, norms: QueryNorms[]): Promise<Chosen> {
  const { configuration, coverage } = projecting.prepared;
  const { modules } = coverage;
  const { projection, seed } = configuration;
  const shares = sharesOf(norms);
  const layersOf = (widths: Widths[], captured: (number | null)[]): LayerWidths[] =>
    widths.map((width, m) => ({ ...width, share: shares[m], captured: captured[m] }));
  if (projection.kind === 'queryAdaptive') return adapt(projecting, taps, norms, layersOf);
  const unknown = modules.map(() => null);
  if (projection.kind === 'exact') {
    const whole = modules.map(({ outputs, inputs }) => ({ outputs, inputs }));
    return {
      projections: modules.map(() => ({ kind: 'exact' })),
      layers: layersOf(
        whole,
        modules.map(() => 1),
      ),
    };
  }
  const widths = evenWidths(modules, projection.k);
  const projections = modules.map((module, m): LayerProjection => {
    if (projection.kind === 'eigen') return { kind: 'eigen', ...widths[m] };
    return { kind: 'random', ...drawProjection(projection, seed, module) };
  });
  return { projections, layers: layersOf(widths, unknown) };
}

/** (M) Each layer's share of the scores' variance, every query counted alike. */
function sharesOf(norms: QueryNorms[]): number[] {
  const totals = sumOver(norms.map(({ weighted }) => weighted));
  const inverse = totals.map((total) => (total > 0 ? 1 / (total * totals.length) : 0));
  return norms.map(({ weighted }) => weighted.reduce((sum, value, q) => sum + value * inverse[q], 0));
}

/** (Q) What makes the queries count alike at a layer, whatever the size of their gradients: 1 / (Q · ‖W_q‖²). */
function importanceOf({ weighted }: QueryNorms): Float64Array {
  return weighted.map((value) => (value > 0 ? 1 / (value * weighted.length) : 0));
}

type Adaptive = Extract<Configuration['projection'], { kind: 'queryAdaptive' }>;

async function adapt(
  projecting: Projecting,
  taps: TapsFile,
  norms: QueryNorms[],
  layersOf: (widths: Widths[], captured: (number | null)[]) => LayerWidths[],
): Promise<Chosen> {
  const { pool, prepared, scratch } = projecting;
  const { modules } = prepared.coverage;
  const projection = prepared.configuration.projection as Adaptive;
  const weighting = weightingOf(prepared.configuration);
  const path = (m: number) => join(scratch, `dimensions-${m}`);
  const spec = {
    module: builtIn('queries/projection/querySpectrum'),
    settings: { threadsPerWorker: prepared.pool.threadsPerWorker, weighting },
  };
  const spectra = await byLayer(projecting, 'choosing dimensions', (module, m): Promise<QuerySpectrum> => {
    const importance = importanceOf(norms[m]);
    const task: SpectrumTask = { ...layerTask(projecting, taps, module), importance, path: path(m) };
    return pool.job(spec, task);
  });
  const { widths, captured } = allotWidths(modules, spectra, {
    ...projection,
    numbersPerQuery: (projection.cacheMiB * 2 ** 18) / prepared.queries.length,
  });
  const { rounds } = projection;
  return {
    projections: widths.map((width, m) => {
      return { kind: 'queryAdaptive', ...width, weighting, rounds, importance: importanceOf(norms[m]), path: path(m) };
    }),
    layers: layersOf(widths, captured),
  };
}

/** (Q) */
export function sumOver(layers: Float64Array[]): number[] {
  return Array.from(layers[0], (_, q) => layers.reduce((sum, layer) => sum + layer[q], 0));
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { eigendecompose } from '../../../../operators/curvature/eigendecompose.ts';
import { drawProjection } from '../../../../operators/gradients/projections.ts';
import measureQueries from '../../../../operators/queries/projection/measureQueries.ts';
import queryCores, {
  type LayerCores,
  type LayerProjection,
} from '../../../../operators/queries/projection/queryCores.ts';
import querySpectrum from '../../../../operators/queries/projection/querySpectrum.ts';
import type { PreconditionerSettings } from '../../../../schemas/configuration.ts';
import { difference } from '../../curvature/goldenWorld.ts';
import {
  dense,
  documents,
  dot,
  facts,
  flat,
  type Layer,
  matrixOf,
  module,
  oneLayer,
  queries,
  times,
  transposed,
} from './oneLayer.ts';

const scratch = await mkdtemp(join(tmpdir(), 'headwater-cores-'));
afterAll(() => rm(scratch, { recursive: true }));

const { outputs: O, inputs: I } = module;
const cores = await queryCores.open({ threadsPerWorker: 1 }, facts);
const path = join(scratch, 'dimensions');
const importance = Float64Array.of(0.5, 2, 1, 0.25);

const kinds: [string, PreconditionerSettings, blocks: number, rotated: boolean][] = [
  ['ekfac', { kind: 'ekfac', damping: {} }, 1, true],
  ['ekfac in 2 blocks', { kind: 'ekfac', damping: {} }, 2, true],
  ['kfac', { kind: 'kfac', damping: {} }, 1, true],
  ['diagonal', { kind: 'diagonal', damping: {} }, 1, false],
  ['identity', { kind: 'identity' }, 1, false],
  ['identity in the eigenbases', { kind: 'identity' }, 1, true],
];

/** ⟨C_q, P_oᵀ G P_i⟩ of each query and document. */
function scoresOf({ cores, outputs, inputs }: LayerCores): number[] {
  const [left, right] = [matrixOf(outputs, O), matrixOf(inputs, I)];
  const width = cores.length / queries;
  return Array.from({ length: queries }, (_, q) => cores.subarray(q * width, (q + 1) * width)).flatMap((core) =>
    documents.map((g) => dot(core, flat(times(times(transposed(left), g), right)))),
  );
}

const exactScores = ({ preconditioned }: Layer) => preconditioned.flatMap((p) => documents.map((g) => dot(p, flat(g))));

async function adaptive(layer: Layer, outputs: number, inputs: number, weighting: 'curvature' | 'none', rounds = 0) {
  const spectrum = await querySpectrum.open({ threadsPerWorker: 1, weighting }, facts);
  const spectra = await spectrum({ ...layer.task, importance, path });
  const projection: LayerProjection = { kind: 'queryAdaptive', outputs, inputs, weighting, rounds, importance, path };
  return { spectra, found: await cores({ ...layer.task, projection }) };
}

/** The first k eigenvectors of a symmetric (n,n) matrix, as columns. */
function topVectors(symmetric: Float64Array, n: number, k: number) {
  const { vectors } = eigendecompose(symmetric, n);
  return { ...dense(n, n, vectors), columns: k };
}

describe.each(kinds)('the cores of one layer by %s', (_name, preconditioner, blocks, rotated) => {
  const layerOf = () => oneLayer(scratch, preconditioner, blocks, rotated);

  it('are the whole preconditioned gradients where everything is kept', async () => {
    const layer = await layerOf();
    const found = await cores({ ...layer.task, projection: { kind: 'exact' } });
    expect(found).toMatchObject({ outputs: null, inputs: null });
    expect(difference(found.cores, Float64Array.from(layer.preconditioned.flatMap((p) => [...p])))).toBeLessThan(1e-5);
  });

  it('give the exact scores with any projection that is as wide as the layer', async () => {
    const layer = await layerOf();
    const wide: LayerProjection[] = [
      { kind: 'eigen', outputs: O, inputs: I },
      { kind: 'random', ...drawProjection({ kind: 'random', k: 7, distribution: 'normal' }, 1, module) },
      { kind: 'queryAdaptive', outputs: O, inputs: I, weighting: 'curvature', rounds: 1, importance, path },
    ];
    await adaptive(layer, O, I, 'curvature');
    for (const projection of wide) {
      const found = await cores({ ...layer.task, projection });
      expect([found.outputs, found.inputs]).toEqual([null, null]);
      expect(difference(scoresOf(found), exactScores(layer))).toBeLessThan(1e-5);
    }
  });

  it.each(['curvature', 'none'] as const)(
    'are Uᵀ W V in the top dimensions of the weighted queries: %s',
    async (weighting) => {
      const layer = await layerOf();
      const [k, l] = [4, 3];
      const { found } = await adaptive(layer, k, l, weighting);
      const weighted = layer.weighted(weighting).map((w) => dense(O, I, w));
      const gram = (n: number, of: (w: ReturnType<typeof dense>) => Float64Array) =>
        weighted
          .map(of)
          .reduce((sum, g, q) => sum.map((value, i) => value + importance[q] * g[i]), new Float64Array(n * n));
      const u = topVectors(
        gram(O, (w) => flat(times(w, transposed(w)))),
        O,
        k,
      );
      const v = topVectors(
        gram(I, (w) => flat(times(transposed(w), w))),
        I,
        l,
      );
      const left = times(layer.unweighted('outputs', weighting), u);
      const right = times(layer.unweighted('inputs', weighting), v);
      const slow = weighted.flatMap((w) => {
        const core = flat(times(times(transposed(u), w), v));
        return documents.map((g) => dot(core, flat(times(times(transposed(left), g), right))));
      });
      expect(found.cores.length).toBe(queries * k * l);
      expect(difference(scoresOf(found), slow)).toBeLessThan(1e-4);
    },
  );

  it('keep as much of the queries as the eigenvalues say, at least', async () => {
    const layer = await layerOf();
    const whole = await adaptive(layer, O, I, 'curvature');
    const total = whole.spectra.outputs.reduce((a, b) => a + b, 0);
    const energies = layer.weighted('curvature').map((w) => dot(w, w));
    expect(total / dot(importance, energies)).toBeCloseTo(1, 5);
    expect(whole.spectra.inputs.reduce((a, b) => a + b, 0) / total).toBeCloseTo(1, 5);
    const { found, spectra } = await adaptive(layer, 4, 3, 'curvature');
    const lost = [...spectra.outputs.slice(4), ...spectra.inputs.slice(3)].reduce((a, b) => a + b, 0);
    const width = found.cores.length / queries;
    const kept = importance.reduce((sum, factor, q) => {
      const core = found.cores.subarray(q * width, (q + 1) * width);
      return sum + factor * dot(core, core);
    }, 0);
    expect(kept).toBeGreaterThan(total - lost - 1e-5 * total);
    expect(kept).toBeLessThan(total * (1 + 1e-5));
  });

  it('are measured: their norms, and their norms as dimensions are weighted', async () => {
    const layer = await layerOf();
    for (const weighting of ['curvature', 'none'] as const) {
      const measure = await measureQueries.open({ threadsPerWorker: 1, weighting }, facts);
      const { squaredNorm, weighted } = await measure(layer.task);
      layer.preconditioned.forEach((p, q) => {
        expect(squaredNorm[q] / dot(p, p)).toBeCloseTo(1, 5);
      });
      layer.weighted(weighting).forEach((w, q) => {
        expect(weighted[q] / dot(w, w)).toBeCloseTo(1, 5);
      });
    }
  });
});

describe.each(kinds.filter(([, , , rotated]) => rotated))(
  'eigenvectors kept of one layer by %s',
  (_name, preconditioner, blocks) => {
    it('are orthonormal, and give what the rotated gradients have there', async () => {
      const layer = await oneLayer(scratch, preconditioner, blocks, true);
      const found = await cores({ ...layer.task, projection: { kind: 'eigen', outputs: 3, inputs: 4 } });
      const [left, right] = [matrixOf(found.outputs, O), matrixOf(found.inputs, I)];
      for (const [side, k] of [
        [left, 3],
        [right, 4],
      ] as const)
        flat(times(transposed(side), side)).forEach((value, at) => {
          expect(value).toBeCloseTo(Number(at % (k + 1) === 0), 5);
        });
      const slow = layer.preconditioned.flatMap((p) => [
        ...flat(times(times(transposed(left), dense(O, I, p)), right)),
      ]);
      expect(difference(found.cores, slow)).toBeLessThan(1e-4);
    });
  },
);

describe('random matrices on one layer', () => {
  it('project the whole preconditioned gradients', async () => {
    const layer = await oneLayer(scratch, { kind: 'ekfac', damping: {} }, 1, true);
    const drawn = drawProjection({ kind: 'random', k: 3, distribution: 'normal' }, 1, module);
    const found = await cores({ ...layer.task, projection: { kind: 'random', ...drawn } });
    const [left, right] = [matrixOf(drawn.outputs, O), matrixOf(drawn.inputs, I)];
    const slow = layer.preconditioned.flatMap((p) => [...flat(times(times(transposed(left), dense(O, I, p)), right))]);
    expect(difference(found.cores, slow)).toBeLessThan(1e-4);
    expect([found.outputs, found.inputs]).toEqual([drawn.outputs, drawn.inputs]);
  });
});

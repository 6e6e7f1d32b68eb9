/** Which k dimensions of each layer to keep: every projection is a pair of matrices per module, P_o (O,k) and P_i (I,k). */
import type { ProjectionSettings } from '../../schemas/configuration.ts';
import { randomNumbers, streamOf } from './counterRandom.ts';

/** A tapped linear layer. With a bias, `inputs` counts the column of ones that carries it. */
export interface Module {
  name: string;
  /** I */
  inputs: number;
  /** O */
  outputs: number;
  /** The tracked module whose input this one's is: its own name, or that of an earlier layer which reads the same. */
  inputOf: string;
}

/** One side of a module's projection: (rows, k) row-major; null where the side is kept whole. */
export interface ProjectionMatrix {
  rows: number;
  k: number;
  values: Float32Array;
}

export interface ModuleProjection {
  outputs: ProjectionMatrix | null;
  inputs: ProjectionMatrix | null;
}

type Drawn = Extract<ProjectionSettings, { kind: 'random' | 'exact' }>;

/** The matrices of a projection that looks at no query: a pure function of the settings, the seed and the module. */
export function drawProjection(settings: Drawn, seed: number, module: Module): ModuleProjection {
  if (settings.kind === 'exact') return { outputs: null, inputs: null };
  const { k, distribution } = settings;
  const side = (name: 'outputs' | 'inputs'): ProjectionMatrix | null => {
    const rows = module[name];
    // A side no wider than k is kept whole: it costs no more and loses nothing.
    if (rows <= k) return null;
    // Variance 1/k makes E[P Pᵀ] the identity, so that a projected dot product estimates the exact one.
    const values = randomNumbers(seed, streamOf(`${module.name}.${name}`), rows * k, distribution, 1 / k);
    return { rows, k, values };
  };
  return { outputs: side('outputs'), inputs: side('inputs') };
}

/** D_m: how many numbers a module's projected gradient has. */
export function projectedWidth(module: Module, projection: ModuleProjection): number {
  return (projection.outputs?.k ?? module.outputs) * (projection.inputs?.k ?? module.inputs);
}

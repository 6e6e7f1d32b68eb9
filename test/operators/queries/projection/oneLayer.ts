/** One layer with queries and curvature made of numbers at hand, and everything that is asked of it by plain loops. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import eigenbasisOfSide, { type Eigenbasis } from '../../../../operators/curvature/eigenbasisOfSide.ts';
import {
  FACTOR_VERSION,
  openFactorFolder,
  writeEigenbasis,
  writeSums,
} from '../../../../operators/curvature/factorFolder.ts';
import type { CurvatureSettings } from '../../../../operators/curvature/moduleCurvature.ts';
import { blockBounds, sidesOf, sumsLength, tilesOf } from '../../../../operators/curvature/sides.ts';
import { randomNumbers } from '../../../../operators/gradients/counterRandom.ts';
import type { ProjectionMatrix } from '../../../../operators/gradients/projections.ts';
import type { LayerTask } from '../../../../operators/queries/projection/queryGradients.ts';
import { layOutTaps, writeTapRows } from '../../../../operators/queries/projection/tapsFile.ts';
import type { PreconditionerSettings } from '../../../../schemas/configuration.ts';

export const facts = { queries: [], tasks: [], topK: 1, seed: 0 };
export const module = { name: 'layer', inputOf: 'layer', outputs: 7, inputs: 6 };
const { outputs: O, inputs: I } = module;
export const rowStart = [0, 3, 4, 9, 11];
export const queries = rowStart.length - 1;

/** Rows of independent numbers, some directions stronger than others. */
function drawRows(stream: number, count: number, n: number): Float32Array {
  return randomNumbers(9, stream, count * n, 'normal', 1).map((value, at) => value / (1 + (at % n)));
}

export interface Layer {
  task: LayerTask;
  /** (O·I) P(∇f_q) by loops. */
  preconditioned: Float64Array[];
  /** W_q = diag(s) R_q diag(a) in the preconditioner's basis, weighted as asked. */
  weighted(weighting: 'curvature' | 'none'): Float64Array[];
  /** Q_S diag(s)⁻¹ and Q_A diag(a)⁻¹: what brings weighted dimensions to a document's rows. */
  unweighted(side: 'outputs' | 'inputs', weighting: 'curvature' | 'none'): Dense;
}

export interface Dense {
  rows: number;
  columns: number;
  at(r: number, c: number): number;
}

/** Writes the layer's taps and factors into `folder`. */
export async function oneLayer(
  folder: string,
  preconditioner: PreconditionerSettings,
  blocks: number,
  rotated: boolean,
): Promise<Layer> {
  const [delta, a] = [drawRows(1, rowStart[queries], O), drawRows(2, rowStart[queries], I)];
  const taps = layOutTaps(join(folder, 'taps'), rowStart, sidesOf([module]));
  const file = await open(taps.path, 'w');
  for (const side of taps.sides) await writeTapRows(file, side, 0, side.width === O ? delta : a);
  await file.close();
  const fingerprint = { version: FACTOR_VERSION, model: 'm', tokenizer: 't', modules: ['layer'], contextTokens: 8 };
  const sample = { corpus: null, documents: 2, labels: 'sampled', blocks, seed: 0 };
  const factors = await openFactorFolder(folder, { ...fingerprint, ...sample });
  const bases: Eigenbasis[] = [];
  const decompose = await eigenbasisOfSide.open(null, facts);
  for (const side of sidesOf([module])) {
    const basis = await decompose({ side, blocks, sums: covariance(side.width, blocks), count: 50 });
    await writeEigenbasis(factors, side.name, basis, 50);
    bases.push(basis);
  }
  const squares = Float64Array.from(randomNumbers(9, 5, O * I, 'normal', 1), (value) => 2 * value ** 2);
  for (const kind of ['squares', 'fisher'] as const)
    await writeSums(factors, kind, 'layer', { values: squares, count: 2 });
  const curvature: CurvatureSettings = { preconditioner, blocks, factors, rotated };
  const slow = bySlowLoops({ delta, a, lambda: squares.map((value) => value / 2), bases, curvature });
  return { task: { module, taps, curvature }, ...slow };
}

function covariance(n: number, blocks: number): Float64Array {
  const rows = drawRows(n, 50, n);
  const sums = new Float64Array(sumsLength(n, blocks));
  for (const tile of tilesOf(n, blocks)) {
    let at = tile.offset;
    for (let r = tile.rowStart; r < tile.rowEnd; r++)
      for (let c = tile.columnStart; c < tile.columnEnd; c++, at++)
        for (let t = 0; t < 50; t++) sums[at] += rows[t * n + r] * rows[t * n + c];
  }
  return sums;
}

interface Given {
  delta: Float32Array;
  a: Float32Array;
  lambda: Float64Array;
  /** Inputs first, as `sidesOf` has them. */
  bases: Eigenbasis[];
  curvature: CurvatureSettings;
}

function bySlowLoops({ delta, a, lambda, bases, curvature }: Given): Omit<Layer, 'task'> {
  const { preconditioner, rotated, blocks } = curvature;
  const [inputs, outputs] = bases;
  const qS = rotated ? blockDiagonal(outputs, O, blocks) : identity(O);
  const qA = rotated ? blockDiagonal(inputs, I, blocks) : identity(I);
  const curved = preconditioner.kind === 'kfac' ? outer(outputs.values, inputs.values) : lambda;
  const damping = 0.1 * mean(curved);
  const scale = curved.map((value) => (preconditioner.kind === 'identity' ? 1 : 1 / (value + damping)));
  const gradients = Array.from({ length: queries }, (_, q) => gradientOf(delta, a, rowStart[q], rowStart[q + 1]));
  const inBasis = gradients.map((g) => times(times(transposed(qS), dense(O, I, g)), qA));
  const scaled = inBasis.map((r) => Float64Array.from(scale, (s, at) => s * r.at(Math.floor(at / I), at % I)));
  const roots = (side: 'outputs' | 'inputs', weighting: 'curvature' | 'none'): number[] => {
    const strength = strengthOf(side);
    const n = side === 'outputs' ? O : I;
    if (weighting === 'none' || !strength) return new Array<number>(n).fill(1);
    return Array.from(strength, (value) => Math.sqrt(value + 0.1 * mean(strength)));
  };
  const strengthOf = (side: 'outputs' | 'inputs'): Float64Array | null => {
    if (rotated) return (side === 'outputs' ? outputs : inputs).values;
    return preconditioner.kind === 'diagonal' ? margin(lambda, side) : null;
  };
  return {
    preconditioned: scaled.map((r) => flat(times(times(qS, dense(O, I, r)), transposed(qA)))),
    weighted(weighting) {
      const [s, t] = [roots('outputs', weighting), roots('inputs', weighting)];
      return scaled.map((r) => r.map((value, at) => value * s[Math.floor(at / I)] * t[at % I]));
    },
    unweighted(side, weighting) {
      const [q, root] = [side === 'outputs' ? qS : qA, roots(side, weighting)];
      return { ...q, at: (r, c) => q.at(r, c) / root[c] };
    },
  };
}

const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;

function margin(lambda: Float64Array, side: 'outputs' | 'inputs'): Float64Array {
  const n = side === 'outputs' ? O : I;
  return Float64Array.from({ length: n }, (_, i) =>
    mean(lambda.filter((_, at) => (side === 'outputs' ? Math.floor(at / I) : at % I) === i)),
  );
}

function gradientOf(delta: Float32Array, a: Float32Array, start: number, end: number): Float64Array {
  const gradient = new Float64Array(O * I);
  for (let t = start; t < end; t++)
    for (let at = 0; at < O * I; at++) gradient[at] += delta[t * O + Math.floor(at / I)] * a[t * I + (at % I)];
  return gradient;
}

const outer = (x: Float64Array, y: Float64Array) =>
  Float64Array.from({ length: O * I }, (_, at) => x[Math.floor(at / I)] * y[at % I]);

export function dense(rows: number, columns: number, values: ArrayLike<number>): Dense {
  return { rows, columns, at: (r, c) => values[r * columns + c] };
}

const identity = (n: number): Dense => ({ rows: n, columns: n, at: (r, c) => Number(r === c) });

function blockDiagonal({ vectors }: Eigenbasis, n: number, blocks: number): Dense {
  const whole = new Float64Array(n * n);
  let at = 0;
  for (const [start, end] of blockBounds(n, blocks))
    for (let r = start; r < end; r++) for (let c = start; c < end; c++) whole[r * n + c] = vectors[at++];
  return dense(n, n, whole);
}

export const transposed = (x: Dense): Dense => ({ rows: x.columns, columns: x.rows, at: (r, c) => x.at(c, r) });

export function times(x: Dense, y: Dense): Dense {
  const values = Float64Array.from({ length: x.rows * y.columns }, (_, at) => {
    const [r, c] = [Math.floor(at / y.columns), at % y.columns];
    let sum = 0;
    for (let k = 0; k < x.columns; k++) sum += x.at(r, k) * y.at(k, c);
    return sum;
  });
  return dense(x.rows, y.columns, values);
}

export function flat(x: Dense): Float64Array {
  return Float64Array.from({ length: x.rows * x.columns }, (_, at) => x.at(Math.floor(at / x.columns), at % x.columns));
}

export const matrixOf = (p: ProjectionMatrix | null, n: number): Dense =>
  p ? dense(p.rows, p.k, p.values) : identity(n);

/** Whole gradients of five documents. */
export const documents = Array.from({ length: 5 }, (_, d) =>
  dense(O, I, gradientOf(drawRows(100 + d, 8, O), drawRows(200 + d, 8, I), 0, 8)),
);

export const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
  Array.from(x).reduce((sum, value, i) => sum + value * y[i], 0);

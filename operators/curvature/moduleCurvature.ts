/** One layer's preconditioner: the basis it is diagonal in, and by how much each coordinate is divided there. */
import type { PreconditionerSettings } from '../../schemas/configuration.ts';
import { InputError } from '../../schemas/errors.ts';
import type { Module } from '../gradients/projections.ts';
import type { Matrix, Products } from './denseProducts.ts';
import { type FactorFolder, readEigenbasis, readSums } from './factorFolder.ts';
import { inputSide, outputSide, vectorBlocks, vectorsLength } from './sides.ts';

/** What `openModuleCurvature` reads: plain data. */
export interface CurvatureSettings {
  preconditioner: PreconditionerSettings;
  /** b: diagonal blocks of each covariance. */
  blocks: number;
  /** Null where nothing was fitted. */
  factors: FactorFolder | null;
  /** Whether gradients are rotated into the covariances' eigenbases; otherwise they stay as they are. */
  rotated: boolean;
}

/** Q = diag(Q_1 … Q_b) of one side, with its eigenvalues. */
export interface SideBasis {
  width: number;
  values: Float64Array;
  blocks: { start: number; end: number; vectors: Matrix }[];
}

export interface ModuleCurvature {
  module: Module;
  /** Q_S and Q_A; null where gradients are not rotated. */
  outputs: SideBasis | null;
  inputs: SideBasis | null;
  /** (O,I) What a rotated gradient is multiplied with, 1 / (Λ + λ); null for 1. */
  scale: Float32Array | null;
  /** (O) and (I) How strongly documents move each coordinate of the two sides: S and A there, or the margins of a diagonal. */
  outputStrength: Float64Array | null;
  inputStrength: Float64Array | null;
}

/** Reads a layer's factors. Throws IntegrityError for files of another fit and InputError for a curvature that cannot be inverted. */
export async function openModuleCurvature(module: Module, settings: CurvatureSettings): Promise<ModuleCurvature> {
  const { preconditioner, factors, rotated } = settings;
  const outputs = rotated ? await openBasis(settings, outputSide(module), module.outputs) : null;
  const inputs = rotated ? await openBasis(settings, inputSide(module), module.inputs) : null;
  const curvature = {
    module,
    outputs,
    inputs,
    outputStrength: outputs?.values ?? null,
    inputStrength: inputs?.values ?? null,
  };
  if (preconditioner.kind === 'identity') return { ...curvature, scale: null };
  const { damping } = preconditioner;
  if (preconditioner.kind === 'kfac') {
    const lambda = outerProduct(outputs!.values, inputs!.values);
    const [s, a] = [flatParts(outputs!.values, ROUNDING), flatParts(inputs!.values, ROUNDING)];
    const flat = lambda.map((_, at) => Number(s[Math.floor(at / module.inputs)] || a[at % module.inputs]));
    return { ...curvature, scale: inverted(module, lambda, damping, flat) };
  }
  const kind = preconditioner.kind === 'ekfac' ? 'squares' : 'fisher';
  const { values, count } = await readSums(factors!, kind, module.name, module.outputs * module.inputs);
  const lambda = values.map((sum) => sum / count);
  const margins = rotated ? {} : marginsOf(lambda, module);
  return { ...curvature, ...margins, scale: inverted(module, lambda, damping, flatParts(lambda, ROUNDING ** 2)) };
}

async function openBasis({ factors, blocks }: CurvatureSettings, name: string, width: number): Promise<SideBasis> {
  const { values, vectors } = await readEigenbasis(factors!, name, width, vectorsLength(width, blocks));
  return {
    width,
    // A covariance has no negative eigenvalues; rounding leaves some just below 0.
    values: values.map((value) => Math.max(0, value)),
    blocks: vectorBlocks(vectors, width, blocks).map(({ start, end, values }) => {
      return { start, end, vectors: { rows: end - start, columns: end - start, values } };
    }),
  };
}

/** D_S ⊗ D_A: what the curvature of a token would be if a and δ were independent. */
function outerProduct(outputs: Float64Array, inputs: Float64Array): Float64Array {
  const lambda = new Float64Array(outputs.length * inputs.length);
  outputs.forEach((s, o) => {
    inputs.forEach((a, i) => {
      lambda[o * inputs.length + i] = s * a;
    });
  });
  return lambda;
}

type Damping = Extract<PreconditionerSettings, { kind: 'ekfac' }>['damping'];

/** Grosse et al. 2023: a tenth of the mean curvature of the layer. */
const RELATIVE_DAMPING = 0.1;

/** The share of the largest eigenvalue that float32 rounding may leave where there is none; squared gradients have its square. */
export const ROUNDING = 1e-6;

/** 1 where a value is no more than rounding. */
function flatParts(values: Float64Array, share: number): Float64Array {
  const largest = values.reduce((max, value) => Math.max(max, value), 0);
  return values.map((value) => Number(value <= share * largest));
}

/** 1 / (Λ + λ). What is `flat` has no curvature, whatever rounding left of it: damping alone must be enough there. */
function inverted(
  { name }: Module,
  lambda: Float64Array,
  { relative = RELATIVE_DAMPING, absolute }: Damping,
  flat: Float64Array,
): Float32Array {
  const mean = lambda.reduce((sum, value) => sum + value, 0) / lambda.length;
  const damping = absolute ?? relative * mean;
  const singular = lambda.reduce((count, value, at) => count + Number(!((flat[at] ? 0 : value) + damping > 0)), 0);
  if (singular > 0)
    throw new InputError(
      `preconditioner.damping: expected curvature plus damping above 0 in ${name}, found ${singular} of ${lambda.length} directions ` +
        `with no curvature and a damping of ${damping}: set preconditioner.damping.relative (0.1), or raise fit.documents`,
    );
  return Float32Array.from(lambda, (value) => 1 / (value + damping));
}

function marginsOf(lambda: Float64Array, { outputs, inputs }: Module) {
  const outputStrength = new Float64Array(outputs);
  const inputStrength = new Float64Array(inputs);
  lambda.forEach((value, at) => {
    outputStrength[Math.floor(at / inputs)] += value / inputs;
    inputStrength[at % inputs] += value / outputs;
  });
  return { outputStrength, inputStrength };
}

/** x Q, or with `back` x Qᵀ, for rows x (N,n); x itself where there is no basis. */
export async function rotateRows(
  products: Products,
  x: Matrix,
  basis: SideBasis | null,
  back = false,
): Promise<Matrix> {
  if (!basis) return x;
  if (basis.blocks.length === 1) return products.multiply(x, basis.blocks[0].vectors, { b: back });
  const rotated = { rows: x.rows, columns: x.columns, values: new Float32Array(x.values.length) };
  for (const { start, end, vectors } of basis.blocks)
    setColumns(rotated, start, await products.multiply(columnsOf(x, start, end), vectors, { b: back }));
  return rotated;
}

/** Columns columnStart … columnEnd - 1, copied. */
export function columnsOf({ rows, columns, values }: Matrix, columnStart: number, columnEnd: number): Matrix {
  const width = columnEnd - columnStart;
  const kept = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++)
    kept.set(values.subarray(r * columns + columnStart, r * columns + columnEnd), r * width);
  return { rows, columns: width, values: kept };
}

function setColumns(into: Matrix, columnStart: number, part: Matrix): void {
  for (let r = 0; r < part.rows; r++)
    into.values.set(part.values.subarray(r * part.columns, (r + 1) * part.columns), r * into.columns + columnStart);
}

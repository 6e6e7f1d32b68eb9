/** Projects every query's preconditioned gradient at one layer, and makes the matrices that project documents there, in a worker. */
import { open } from 'node:fs/promises';
import type { JobOperator } from '../../../schemas/operators.ts';
import { type Matrix, openProducts, type Products } from '../../curvature/denseProducts.ts';
import { columnsOf, type ModuleCurvature, rotateRows, type SideBasis } from '../../curvature/moduleCurvature.ts';
import type { ProjectionMatrix } from '../../gradients/projections.ts';
import { coordinateWeights } from './coordinateWeights.ts';
import { type LayerTask, openQueryGradients, type QueryGradients } from './queryGradients.ts';
import { refineDimensions } from './refineDimensions.ts';

/** How one layer is projected. A width that is the side's own keeps the side whole. */
export type LayerProjection =
  | { kind: 'exact' }
  | { kind: 'eigen'; outputs: number; inputs: number }
  | { kind: 'random'; outputs: ProjectionMatrix | null; inputs: ProjectionMatrix | null }
  | QueryAdaptiveLayer;

export interface QueryAdaptiveLayer {
  kind: 'queryAdaptive';
  outputs: number;
  inputs: number;
  weighting: 'curvature' | 'none';
  rounds: number;
  importance: Float64Array;
  /** Where `querySpectrum` wrote the dimensions. */
  path: string;
}

export interface CoresTask extends LayerTask {
  projection: LayerProjection;
}

export interface LayerCores {
  /** (Q, k_o·k_i) C_q, row-major. */
  cores: Float32Array;
  /** P_o (O,k_o) and P_i (I,k_i), which documents are projected with; null where the side is kept whole. */
  outputs: ProjectionMatrix | null;
  inputs: ProjectionMatrix | null;
}

const queryCores: JobOperator<{ threadsPerWorker: number }, CoresTask, LayerCores> = {
  kind: 'job',
  name: 'queryCores',
  async open({ threadsPerWorker }) {
    const products = await openProducts(threadsPerWorker);
    return async (task) => {
      const gradients = await openQueryGradients(task, products);
      const { outputs, inputs } = await chooseSides(task.projection, gradients, products);
      const width = outputs.query.columns * inputs.query.columns;
      const cores = new Float32Array(gradients.queries * width);
      for (let q = 0; q < gradients.queries; q++) {
        const left = await products.multiply(outputs.query, await gradients.gradient(q), { a: true });
        cores.set((await products.multiply(left, inputs.query)).values, q * width);
      }
      return { cores, outputs: outputs.document, inputs: inputs.document };
    };
  },
};
export default queryCores;

/** One side: `query` (n,k) meets the query's gradient in the preconditioner's basis, `document` the document's rows as they are. */
interface ChosenSide {
  query: Matrix;
  document: ProjectionMatrix | null;
}

async function chooseSides(
  projection: LayerProjection,
  gradients: QueryGradients,
  products: Products,
): Promise<{ outputs: ChosenSide; inputs: ChosenSide }> {
  const { curvature } = gradients;
  const { module } = curvature;
  if (projection.kind === 'queryAdaptive') return adaptedSides(projection, gradients, products);
  const side = async (name: 'outputs' | 'inputs'): Promise<ChosenSide> => {
    const basis = curvature[name];
    if (projection.kind === 'exact' || projection[name] === null || projection[name] === module[name])
      return { query: await wholeSide(basis, module[name], products), document: null };
    if (projection.kind === 'eigen') return eigenSide(basis!, projection[name] as number);
    const drawn = projection[name] as ProjectionMatrix;
    return { query: await intoBasis(matrixOf(drawn), basis, products), document: drawn };
  };
  return { outputs: await side('outputs'), inputs: await side('inputs') };
}

/** Qᵀ: what brings a gradient back from the preconditioner's basis. */
function wholeSide(basis: SideBasis | null, width: number, products: Products): Promise<Matrix> {
  return intoBasis(identity(width), basis, products);
}

/** Qᵀ P for the columns of P (n,k). */
async function intoBasis(p: Matrix, basis: SideBasis | null, products: Products): Promise<Matrix> {
  return transpose(await rotateRows(products, transpose(p), basis));
}

/** Q P for the columns of P (n,k). */
async function outOfBasis(p: Matrix, basis: SideBasis | null, products: Products): Promise<Matrix> {
  return transpose(await rotateRows(products, transpose(p), basis, true));
}

/** The k eigenvectors with the largest eigenvalues, whatever block they are of. */
function eigenSide(basis: SideBasis, k: number): ChosenSide {
  const { width, values, blocks } = basis;
  const largest = [...values.keys()].sort((a, b) => values[b] - values[a] || a - b).slice(0, k);
  const query = zeros(width, k);
  const document = zeros(width, k);
  largest.forEach((coordinate, j) => {
    query.values[coordinate * k + j] = 1;
    const { start, vectors } = blocks.find(({ end }) => coordinate < end)!;
    for (let r = 0; r < vectors.rows; r++)
      document.values[(start + r) * k + j] = vectors.values[r * vectors.columns + coordinate - start];
  });
  return { query, document: projectionOf(document) };
}

/** W_q = diag(s) R_q diag(a); score = ⟨Uᵀ W_q V, (δ Q_S s⁻¹ U)ᵀ (a Q_A a⁻¹ V)⟩ (EKFAC.md). */
async function adaptedSides(projection: QueryAdaptiveLayer, gradients: QueryGradients, products: Products) {
  const { curvature } = gradients;
  const weights = coordinateWeights(curvature, projection.weighting);
  const read = await readDimensions(projection, curvature);
  const { outputs: u, inputs: v } = await refineDimensions(read, projection, gradients, weights, products);
  const side = async (name: 'outputs' | 'inputs', dimensions: Matrix): Promise<ChosenSide> => {
    const basis = curvature[name];
    if (dimensions.columns === dimensions.rows)
      return { query: await wholeSide(basis, dimensions.rows, products), document: null };
    const document = await outOfBasis(
      scaleRows(dimensions, (n) => 1 / weights[name][n]),
      basis,
      products,
    );
    return { query: scaleRows(dimensions, (n) => weights[name][n]), document: projectionOf(document) };
  };
  return { outputs: await side('outputs', u), inputs: await side('inputs', v) };
}

async function readDimensions({ path, outputs, inputs }: QueryAdaptiveLayer, { module }: ModuleCurvature) {
  const file = await open(path, 'r');
  try {
    const read = async (n: number, position: number): Promise<Matrix> => {
      const values = new Float32Array(n * n);
      const { bytesRead } = await file.read(new Uint8Array(values.buffer), 0, 4 * n * n, position);
      if (bytesRead !== 4 * n * n)
        throw new Error(`queryCores expected ${4 * n * n} bytes in ${path}, found ${bytesRead}`);
      return { rows: n, columns: n, values };
    };
    const u = await read(module.outputs, 0);
    const v = await read(module.inputs, 4 * module.outputs ** 2);
    return { outputs: columnsOf(u, 0, outputs), inputs: columnsOf(v, 0, inputs) };
  } finally {
    await file.close();
  }
}

function scaleRows(x: Matrix, factor: (row: number) => number): Matrix {
  const values = x.values.map((value, at) => value * factor(Math.floor(at / x.columns)));
  return { ...x, values };
}

function projectionOf({ rows, columns, values }: Matrix): ProjectionMatrix {
  return { rows, k: columns, values };
}

function matrixOf({ rows, k, values }: ProjectionMatrix): Matrix {
  return { rows, columns: k, values };
}

function zeros(rows: number, columns: number): Matrix {
  return { rows, columns, values: new Float32Array(rows * columns) };
}

function identity(n: number): Matrix {
  const matrix = zeros(n, n);
  for (let i = 0; i < n; i++) matrix.values[i * n + i] = 1;
  return matrix;
}

export function transpose({ rows, columns, values }: Matrix): Matrix {
  const turned = zeros(columns, rows);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) turned.values[c * rows + r] = values[r * columns + c];
  return turned;
}

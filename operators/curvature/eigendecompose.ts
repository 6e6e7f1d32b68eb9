/** Eigenvalues and eigenvectors of a symmetric matrix: by the machine's LAPACK, or by ml-matrix where it has none and for small matrices. */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import packageJson from '../../package.json' with { type: 'json' };
import { InputError } from '../../schemas/errors.ts';
import { randomNumbers, streamOf } from '../gradients/counterRandom.ts';
import { type AscendingEigen, type FoundLapack, openLapack, unusable } from './lapack.ts';

export interface Eigendecomposition {
  /** (n), descending. */
  values: Float64Array;
  /** (n,n) row-major, the eigenvector of values[j] in column j. */
  vectors: Float64Array;
}

/** From this n on LAPACK is the faster (bench/eigendecompose.ts). */
const lapackFrom = 16;

/**
 * A = Q diag(values) Qᵀ of `symmetric` (n,n), of which the lower triangle is read. Of each eigenvector the component of largest
 * magnitude is positive, the first of equal ones, and one thread computes: on one machine the same matrix gives the same bytes.
 * `threads` is the library's setting for the whole process. Holds 5n² float64 at its peak, the matrix included. Throws an
 * InputError where a component is not finite, where the matrix is not symmetric, and where LAPACK does not converge.
 */
export function eigendecompose(symmetric: Float64Array, n: number, threads = 1): Eigendecomposition {
  const scale = scaleOf(largestMagnitude(symmetric, n));
  const { values, rows } = solve(symmetric, scale, n, threads);
  return { values: Float64Array.from(values, (value) => value / scale).reverse(), vectors: asColumns(rows, n) };
}

/** The library that computes eigenvectors, and what to do where that is the slow one. */
export function eigenLibrary(): { name: string; notice: string | null } {
  const { lapack, notice } = library();
  return { name: lapack?.name ?? `ml-matrix ${packageJson.dependencies['ml-matrix']}`, notice };
}

function largestMagnitude(symmetric: Float64Array, n: number): number {
  if (!Number.isSafeInteger(n) || n < 1 || symmetric.length !== n * n)
    throw new RangeError(`eigendecompose expected n ≥ 1 and n² components, got n = ${n} and ${symmetric.length}`);
  let largest = 0;
  for (let i = 0; i < symmetric.length; i++) {
    const magnitude = Math.abs(symmetric[i]);
    if (!(magnitude < Infinity)) throw new InputError(notFinite(symmetric, n, i));
    if (magnitude > largest) largest = magnitude;
  }
  assertSymmetric(symmetric, n, largest);
  return largest;
}

const notFinite = (symmetric: Float64Array, n: number, i: number): string =>
  `eigendecompose expected finite numbers, got ${symmetric[i]} at row ${Math.floor(i / n)}, column ${i % n} of a (${n},${n}) matrix: a sum that this matrix was made from overflowed or held no number`;

function assertSymmetric(symmetric: Float64Array, n: number, largest: number): void {
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++) {
      const [below, above] = [symmetric[i * n + j], symmetric[j * n + i]];
      if (Math.abs(below - above) > 1e-5 * largest)
        // float32 sums may differ in the last digits
        throw new InputError(
          `eigendecompose expected a symmetric matrix, got ${below} at row ${i}, column ${j} and ${above} at row ${j}, column ${i}`,
        );
    }
}

/** A power of two changes no digit, and near 1 no square of a component over- or underflows. */
function scaleOf(largest: number): number {
  return largest === 0 ? 1 : 2 ** Math.min(1000, -Math.floor(Math.log2(largest)));
}

function solve(symmetric: Float64Array, scale: number, n: number, threads: number): AscendingEigen {
  const { lapack } = library();
  if (!lapack || n < lapackFrom) return solveByMlMatrix(symmetric, scale, n);
  const eigen = lapack.solve(symmetric, scale, n, threads);
  if (reproduces(eigen, symmetric, scale, n)) return eigen;
  opened = { wanted: opened?.wanted, ...unusable(`${lapack.name} was found`, wrong(n)) };
  return solveByMlMatrix(symmetric, scale, n);
}

function solveByMlMatrix(symmetric: Float64Array, scale: number, n: number): AscendingEigen {
  const matrix = new Matrix(n, n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const value = symmetric[i * n + j] * scale;
      matrix.set(i, j, value);
      matrix.set(j, i, value);
    }
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) rows[j * n + i] = eigenvectorMatrix.get(i, j);
  return { values: Float64Array.from(realEigenvalues), rows };
}

/** Opened once a thread, and again where HEADWATER_LAPACK has changed. */
let opened: ({ wanted: string | undefined } & FoundLapack) | null = null;

function library(): FoundLapack {
  const wanted = process.env.HEADWATER_LAPACK || undefined;
  if (opened?.wanted !== wanted || !opened) opened = { wanted, ...openAndTry(wanted) };
  return opened;
}

function openAndTry(wanted: string | undefined): FoundLapack {
  const found = openLapack(wanted);
  if (!found.lapack) return found;
  const n = 64;
  const symmetric = Float64Array.from({ length: n * n }, (_, i) => 1 / (1 + Math.floor(i / n) + (i % n))); // Hilbert's
  try {
    if (reproduces(found.lapack.solve(symmetric, 1, n, 1), symmetric, 1, n)) return found;
    return unusable(`${found.lapack.name} was found`, wrong(n));
  } catch (cause) {
    return unusable(`${found.lapack.name} was found`, (cause as Error).message);
  }
}

const wrong = (n: number): string => `it gave wrong eigenvectors of a (${n},${n}) matrix`;

/** Whether Q Qᵀ x = x and Q diag(values) Qᵀ x = A x for one random x: 5n² multiplications. */
function reproduces({ values, rows }: AscendingEigen, symmetric: Float64Array, scale: number, n: number): boolean {
  const x = Float64Array.from(randomNumbers(0, streamOf('eigendecompose'), n, 'normal', 1));
  const [same, image, product] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)];
  for (let j = 0; j < n; j++) {
    let along = 0;
    for (let i = 0; i < n; i++) along += rows[j * n + i] * x[i];
    for (let i = 0; i < n; i++) {
      same[i] += rows[j * n + i] * along;
      image[i] += rows[j * n + i] * along * values[j];
    }
    for (let i = 0; i <= j; i++) {
      product[j] += scale * symmetric[j * n + i] * x[i];
      if (i < j) product[i] += scale * symmetric[j * n + i] * x[j];
    }
  }
  const tolerance = 1e-9 * norm(x); // dsyevd's own error is about 1e-16 √n
  const largest = Math.max(Math.abs(values[0]), Math.abs(values[n - 1]));
  return distance(same, x) <= tolerance && distance(image, product) <= tolerance * largest;
}

const norm = (x: Float64Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
const distance = (x: Float64Array, y: Float64Array): number => norm(x.map((value, i) => value - y[i]));

/** Eigenvectors of ascending eigenvalues in rows to those of descending ones in columns, signs fixed. */
function asColumns(rows: Float64Array, n: number): Float64Array {
  const vectors = new Float64Array(n * n);
  for (let row = 0; row < n; row++) {
    const column = n - 1 - row;
    const sign = signOf(rows.subarray(row * n, (row + 1) * n));
    for (let i = 0; i < n; i++) vectors[i * n + column] = sign * rows[row * n + i];
  }
  return vectors;
}

/** Of the component of largest magnitude, the first of equal ones. */
function signOf(vector: Float64Array): number {
  let largest = 0;
  for (let i = 1; i < vector.length; i++) if (Math.abs(vector[i]) > Math.abs(vector[largest])) largest = i;
  return vector[largest] < 0 ? -1 : 1;
}

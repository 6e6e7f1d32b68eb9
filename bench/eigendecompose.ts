/**
 * How long the eigendecomposition of a covariance matrix takes on one thread, by ml-matrix and by the machine's LAPACK:
 * `npx tsx bench/eigendecompose.ts [--json FILE] [n …]`. Before it is timed, each is checked: it must give the matrix back with
 * orthonormal vectors, and ml-matrix's eigenvalues.
 *
 * Also tried, against ml-matrix: emlapack 0.0.3 (CLAPACK as WebAssembly) is 4.5 times as fast at n = 512, and its memory of 16 MiB ends
 * before n = 1024; eigen 0.2.2 (WebAssembly), whose solver is the general one, is as slow at n = 256; the reference LAPACK is about
 * twice as fast; @stdlib/lapack has no eigensolver.
 */
import { parseArgs } from 'node:util';
import { type Eigendecomposition, eigendecompose, eigenLibrary } from '../operators/curvature/eigendecompose.ts';
import { randomNumbers } from '../operators/gradients/counterRandom.ts';
import { describeMachine } from './machine.ts';
import { median, medianAndRange, printReport, type ReportRow } from './report.ts';

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'string' } } });
const sizes = positionals.length > 0 ? positionals.map(Number) : [16, 32, 48, 64, 128, 256, 512, 576, 1024, 1536];

/** Of 2n tokens whose neighbouring dimensions go together and whose scale falls by the power -1/2, as a layer's inputs do. */
function covariance(n: number): Float64Array {
  const tokens = 2 * n;
  const noise = randomNumbers(0, n, tokens * n, 'normal', 1);
  const sums = new Float64Array(n * n);
  const x = new Float64Array(n);
  for (let t = 0; t < tokens; t++) {
    for (let i = 0, walk = 0; i < n; i++) {
      walk = 0.9 * walk + noise[t * n + i];
      x[i] = walk / Math.sqrt(1 + i);
    }
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sums[i * n + j] += (x[i] * x[j]) / tokens;
  }
  return sums;
}

interface Timed extends Eigendecomposition {
  milliseconds: number[];
}

/** The small matrices until the compiler has done its work; the large ones once or thrice. */
function time(symmetric: Float64Array, n: number, library: string): Timed {
  process.env.HEADWATER_LAPACK = library;
  const enough = 400; // milliseconds
  const milliseconds: number[] = [];
  let eigen = eigendecompose(identity(64), 64); // opens the library
  for (let spent = 0; milliseconds.length < 3 || (spent < enough && milliseconds.length < 200); ) {
    const start = performance.now();
    eigen = eigendecompose(symmetric, n);
    milliseconds.push(performance.now() - start);
    spent += milliseconds[milliseconds.length - 1];
    if (spent > 5000) break;
  }
  return { ...eigen, milliseconds: milliseconds.slice(Math.floor(milliseconds.length / 2)) };
}

const identity = (n: number): Float64Array => Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) ? 0 : 1));

/** ‖Q D Qᵀ − A‖ / ‖A‖ and ‖Qᵀ Q − I‖ / √n, Frobenius' norms. */
function errors({ values, vectors }: Eigendecomposition, symmetric: Float64Array, n: number): [number, number] {
  const columns = Float64Array.from(vectors, (_, at) => vectors[(at % n) * n + Math.floor(at / n)]);
  const scaled = vectors.map((component, at) => component * values[at % n]);
  return [
    distance(productTransposed(scaled, vectors, n), symmetric) / norm(symmetric),
    distance(productTransposed(columns, columns, n), identity(n)) / Math.sqrt(n),
  ];
}

/** X Yᵀ, all (n,n). */
function productTransposed(x: Float64Array, y: Float64Array, n: number): Float64Array {
  const product = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += x[i * n + k] * y[j * n + k];
      product[i * n + j] = sum;
    }
  return product;
}

const norm = (x: Float64Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
const distance = (x: Float64Array, y: Float64Array): number => norm(x.map((value, i) => value - y[i]));

function assertRight(name: string, timed: Timed, symmetric: Float64Array, n: number, expected: Float64Array): string {
  const [residual, orthogonality] = errors(timed, symmetric, n);
  const eigenvalues = distance(timed.values, expected) / norm(expected);
  for (const error of [residual, orthogonality, eigenvalues])
    if (!(error < 1e-12))
      throw new Error(
        `${name} at n = ${n}: residual ${residual}, orthogonality ${orthogonality}, values ${eigenvalues}`,
      );
  return `${residual.toExponential(1)}, ${orthogonality.toExponential(1)}`;
}

const wanted = process.env.HEADWATER_LAPACK ?? '';
const library = eigenLibrary();
const raw: Record<string, number[]> = {};
const rows = sizes.map((n): ReportRow => {
  const symmetric = covariance(n);
  const mlMatrix = time(symmetric, n, 'none');
  const lapack = time(symmetric, n, wanted);
  const digits = n < 256 ? 2 : 0;
  raw[`${n}, ml-matrix`] = mlMatrix.milliseconds;
  raw[`${n}, ${library.name}`] = lapack.milliseconds;
  return {
    n,
    'ml-matrix, ms': medianAndRange(mlMatrix.milliseconds, digits),
    'its errors': assertRight('ml-matrix', mlMatrix, symmetric, n, mlMatrix.values),
    [`${library.name}, ms`]: medianAndRange(lapack.milliseconds, digits),
    'its errors ': assertRight(library.name, lapack, symmetric, n, mlMatrix.values),
    'times as fast': (median(mlMatrix.milliseconds) / median(lapack.milliseconds)).toFixed(1),
  };
});
const notes = [
  'median, lowest and highest of the runs after the first half; one thread; errors: of the matrix rebuilt from its decomposition, and of QᵀQ, relative',
  'small matrices go to ml-matrix in both columns (`lapackFrom` in operators/curvature/eigendecompose.ts)',
  ...(library.notice ? [library.notice] : []),
];
await printReport({ title: 'Eigendecomposition', machine: describeMachine(), rows, notes, raw }, options.json);

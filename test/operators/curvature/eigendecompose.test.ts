import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eigendecompose, eigenLibrary } from '../../../operators/curvature/eigendecompose.ts';
import { openLapack } from '../../../operators/curvature/lapack.ts';
import { randomNumbers } from '../../../operators/gradients/counterRandom.ts';

const hasLapack = openLapack(undefined).lapack !== null;
afterEach(() => vi.unstubAllEnvs());

/** Covariance (n,n) of `samples` random rows. */
function covariance(n: number, samples = 2 * n): Float64Array {
  const x = randomNumbers(n, 0, samples * n, 'normal', 1);
  const sums = new Float64Array(n * n);
  for (let t = 0; t < samples; t++)
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) sums[i * n + j] += (x[t * n + i] * x[t * n + j]) / (samples * (1 + i) * (1 + j));
  return sums;
}

/** Σ over `columns` j of values[j] q_j q_jᵀ. */
function rebuild(vectors: Float64Array, values: ArrayLike<number>, n: number, columns: number[]): Float64Array {
  const rebuilt = new Float64Array(n * n);
  for (const j of columns)
    for (let i = 0; i < n; i++)
      for (let k = 0; k < n; k++) rebuilt[i * n + k] += values[j] * vectors[i * n + j] * vectors[k * n + j];
  return rebuilt;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const ones = (n: number): number[] => Array(n).fill(1);
const identity = (n: number): Float64Array =>
  Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));

function furthest(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, Math.abs(got[i] - expected[i]));
  return worst;
}

function expectDecomposition(symmetric: Float64Array, n: number): void {
  const { values, vectors } = eigendecompose(symmetric, n);
  const largest = furthest(symmetric, new Float64Array(n * n));
  expect(values).toEqual(values.toSorted().reverse());
  expect(furthest(rebuild(vectors, values, n, upTo(n)), symmetric)).toBeLessThanOrEqual(1e-13 * n * largest);
  const transposed = vectors.map((_, i) => vectors[(i % n) * n + Math.floor(i / n)]);
  expect(furthest(rebuild(vectors, ones(n), n, upTo(n)), identity(n))).toBeLessThan(1e-12);
  expect(furthest(rebuild(transposed, ones(n), n, upTo(n)), identity(n))).toBeLessThan(1e-12);
  for (const j of upTo(n)) {
    const column = Array.from({ length: n }, (_, i) => vectors[i * n + j]);
    const magnitudes = column.map(Math.abs);
    expect(column[magnitudes.indexOf(Math.max(...magnitudes))]).toBeGreaterThan(0);
  }
}

// LAPACK takes over at n = 16.
describe.each([
  { backend: 'ml-matrix', wanted: 'none', missing: false },
  { backend: 'LAPACK', wanted: '', missing: !hasLapack },
])('eigendecompose by $backend', ({ wanted, missing }) => {
  beforeEach((context) => {
    context.skip(missing, 'this machine has no LAPACK library');
    vi.stubEnv('HEADWATER_LAPACK', wanted);
  });

  it.each([1, 2, 3, 17, 96])('reproduces a covariance matrix with orthonormal vectors, n = %i', (n) => {
    expectDecomposition(covariance(n), n);
  });

  it('takes a matrix of less than full rank', () => {
    expectDecomposition(covariance(96, 20), 96);
  });

  it.each([1, 5, 96])('takes the zero matrix, n = %i', (n) => {
    expectDecomposition(new Float64Array(n * n), n);
    expect(eigendecompose(new Float64Array(n * n), n).values).toEqual(new Float64Array(n));
  });

  it.each([4, 96])('takes repeated eigenvalues, n = %i', (n) => {
    const { vectors } = eigendecompose(covariance(n), n);
    const values = upTo(n).map((j) => (j < n / 2 ? 3 : 1));
    const symmetric = rebuild(vectors, values, n, upTo(n));
    expectDecomposition(symmetric, n);
    expect(furthest(eigendecompose(symmetric, n).values, values)).toBeLessThan(1e-12);
    expectDecomposition(identity(n), n);
  });

  it('takes negative eigenvalues', () => {
    const symmetric = covariance(96).map((value, i) => (i % 97 === 0 ? value - 0.5 : value));
    expectDecomposition(symmetric, 96);
    expect(eigendecompose(symmetric, 96).values[95]).toBeLessThan(-0.4);
  });

  it.each([1e-310, 1e-200, 1e200, 1e300])('takes entries about %d', (scale) => {
    const plain = eigendecompose(covariance(96), 96);
    const scaled = eigendecompose(
      covariance(96).map((value) => value * scale),
      96,
    );
    expect(scaled.values[0] / scale).toBeCloseTo(plain.values[0], 10);
  });

  it('gives the same bytes for the same matrix', () => {
    const symmetric = covariance(96);
    const first = eigendecompose(symmetric, 96);
    const others = upTo(3).map(() => eigendecompose(symmetric.slice(), 96));
    for (const other of others) expect(other).toEqual(first);
  });

  it('leaves its argument as it was', () => {
    const symmetric = covariance(96);
    eigendecompose(symmetric, 96);
    expect(symmetric).toEqual(covariance(96));
  });

  it('takes any symmetric matrix', () => {
    const entry = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }));
    const matrix = fc
      .integer({ min: 1, max: 8 })
      .chain((n) => fc.tuple(fc.constant(n), fc.array(entry, { minLength: n * n, maxLength: n * n })));
    fc.assert(
      fc.property(matrix, fc.constantFrom(0, 60), ([n, entries], padding) => {
        // Bordered by zeros so that the small matrix reaches LAPACK too.
        const width = n + padding;
        const symmetric = new Float64Array(width * width);
        for (let i = 0; i < n; i++)
          for (let j = 0; j <= i; j++) symmetric[i * width + j] = symmetric[j * width + i] = entries[i * n + j];
        const { values, vectors } = eigendecompose(symmetric, width);
        const largest = Math.max(1e-300, furthest(symmetric, new Float64Array(width * width)));
        const rebuilt = rebuild(
          vectors,
          values,
          width,
          upTo(width).filter((j) => values[j] !== 0),
        );
        expect(furthest(rebuilt, symmetric)).toBeLessThanOrEqual(1e-12 * largest);
      }),
      { numRuns: 30 },
    );
  });
});

describe.skipIf(!hasLapack)('LAPACK and ml-matrix', () => {
  const n = 128;
  beforeEach(() => {
    vi.stubEnv('HEADWATER_LAPACK', '');
  });

  const both = (symmetric: Float64Array) => {
    const lapack = eigendecompose(symmetric, n);
    vi.stubEnv('HEADWATER_LAPACK', 'none');
    return [lapack, eigendecompose(symmetric, n)];
  };

  it('agree on eigenvalues', () => {
    const [lapack, mlMatrix] = both(covariance(n));
    expect(furthest(lapack.values, mlMatrix.values)).toBeLessThan(1e-13 * n * mlMatrix.values[0]);
  });

  it('agree on the subspace of the largest eigenvalues', () => {
    const [lapack, mlMatrix] = both(covariance(n));
    const projector = ({ vectors }: typeof lapack) => rebuild(vectors, ones(n), n, upTo(8));
    expect(furthest(projector(lapack), projector(mlMatrix))).toBeLessThan(1e-10);
  });

  it('agree on the subspace of a repeated eigenvalue', () => {
    const { vectors } = eigendecompose(covariance(n), n);
    const values = upTo(n).map((j) => (j < 40 ? 3 : 1));
    const [lapack, mlMatrix] = both(rebuild(vectors, values, n, upTo(n)));
    const projector = (eigen: typeof lapack) => rebuild(eigen.vectors, ones(n), n, upTo(40));
    expect(furthest(projector(lapack), projector(mlMatrix))).toBeLessThan(1e-10);
  });

  it('stand behind one function, in which two threads of LAPACK may be asked for', () => {
    const { values } = eigendecompose(covariance(n), n, 2);
    expect(furthest(values, eigendecompose(covariance(n), n).values)).toBeLessThan(1e-13 * n * values[0]);
  });
});

describe('eigendecompose', () => {
  it('reads the lower triangle where the last digits differ', () => {
    const symmetric = covariance(96);
    const uneven = symmetric.map((value, i) => (i % 96 > Math.floor(i / 96) ? value * (1 + 1e-7) : value));
    expect(eigendecompose(uneven, 96)).toEqual(eigendecompose(symmetric, 96));
  });

  it.each([
    [2, new Float64Array(3), 'eigendecompose expected n ≥ 1 and n² components, got n = 2 and 3'],
    [0, new Float64Array(0), 'got n = 0 and 0'],
    [1.5, new Float64Array(2), 'got n = 1.5 and 2'],
  ])('refuses n = %d of %j', (n, symmetric, message) => {
    expect(() => eigendecompose(symmetric, n)).toThrow(message);
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuses %d and says where', (value) => {
    const symmetric = covariance(50);
    symmetric[7 * 50 + 3] = value;
    expect(() => eigendecompose(symmetric, 50)).toThrow(
      `eigendecompose expected finite numbers, got ${value} at row 7, column 3 of a (50,50) matrix`,
    );
  });

  it('refuses a matrix that is not symmetric', () => {
    expect(() => eigendecompose(Float64Array.of(1, 2, 3, 4), 2)).toThrow(
      'eigendecompose expected a symmetric matrix, got 3 at row 1, column 0 and 2 at row 0, column 1',
    );
  });

  it('names ml-matrix where no library is wished for', () => {
    vi.stubEnv('HEADWATER_LAPACK', 'none');
    expect(eigenLibrary()).toEqual({ name: expect.stringMatching(/^ml-matrix \d/), notice: null });
  });

  it.each(['/no/such/library.so', import.meta.filename])('falls back with a notice from %s', (file) => {
    vi.stubEnv('HEADWATER_LAPACK', file);
    expectDecomposition(covariance(64), 64);
    const { name, notice } = eigenLibrary();
    expect(name).toMatch(/^ml-matrix/);
    expect(notice).toMatch(
      new RegExp(`^HEADWATER_LAPACK names .*${file.slice(-10)}, which cannot be used \\(.+\\): ml-matrix`),
    );
    expect(notice).not.toContain('\n');
  });

  it('falls back with a notice from a library without dsyevd', () => {
    const libraries: Partial<Record<NodeJS.Platform, string>> = {
      linux: 'libc.so.6',
      darwin: '/usr/lib/libSystem.B.dylib',
    };
    vi.stubEnv('HEADWATER_LAPACK', libraries[process.platform] ?? 'kernel32.dll');
    expect(eigenLibrary().name).toMatch(/^ml-matrix/);
    expect(eigenLibrary().notice).toMatch(/^HEADWATER_LAPACK names .*, which cannot be used \(.+\): ml-matrix/);
  });
});

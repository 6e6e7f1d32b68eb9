import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Dsyevd, type FoundLapack, lapackOf, openLapack } from '../../../operators/curvature/lapack.ts';

const n = 64;
const diagonalOf = (n: number): Float64Array =>
  Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 + Math.floor(i / n) : 0));

/** ml-matrix as LAPACK; `wrongFrom` this n on it gives a wrong eigenvalue. */
function fakeDsyevd(info = 0, wrongFrom = Infinity): Dsyevd {
  return (_jobz, _uplo, [order], a, _lda, w, _work, _lwork, _iwork, _liwork, infoOut) => {
    const n = Number(order);
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(Matrix.from1DArray(n, n, a));
    w.set(realEigenvalues);
    if (n >= wrongFrom) w[0] += 1;
    a.set(eigenvectorMatrix.transpose().to1DArray());
    new Int32Array(infoOut.buffer)[0] = info; // as a library of 32-bit integers does
  };
}

const native = { setThreads: null, addressOf: (array: Float64Array) => BigInt(array.byteOffset + 16) };

describe('openLapack', () => {
  // The first test of the file: a process loads koffi once.
  it('says that koffi does not load on a system that it has no binary for', () => {
    const platform = vi.spyOn(process, 'platform', 'get').mockReturnValue('aix');
    const found = openLapack(undefined);
    platform.mockRestore();
    expect(found.lapack).toBeNull();
    expect(found.notice).toMatch(
      /^koffi does not load \(.+\): ml-matrix computes eigenvectors meanwhile, .*; run npm ci$/,
    );
  });

  it.each([
    ['linux', 'Debian and Ubuntu: apt-get install libopenblas0-pthread'],
    ['darwin', 'brew install openblas'],
    ['win32', 'openblas.dll'],
    ['aix', 'install OpenBLAS'],
  ])('says in one line what to install on %s', (system, install) => {
    const { lapack, notice } = openLapack(undefined, system);
    if (lapack) return expect(notice).toBeNull();
    expect(notice).toMatch(
      /^no LAPACK library found: ml-matrix computes eigenvectors meanwhile, 20 to 50 times slower/,
    );
    expect(notice).toContain(install);
    expect(notice).toMatch(/, or name a library's file in HEADWATER_LAPACK$/);
  });

  it('looks for none where none is wished for', () => {
    expect(openLapack('none')).toEqual({ lapack: null, notice: null });
  });
});

describe('lapackOf', () => {
  it.each([
    [3, 'got 3 for n = 64: it did not converge'],
    [-4, 'got -4 for n = 64: it refused argument 4'],
  ])('refuses info %i', (info, message) => {
    const { solve } = lapackOf('LAPACK (test)', fakeDsyevd(info), native);
    expect(() => solve(diagonalOf(n), 1, n, 1)).toThrow(
      `eigendecompose expected dsyevd of LAPACK (test) to end with info 0, ${message}; set HEADWATER_LAPACK=none`,
    );
  });

  it('sets the number of threads before each call', () => {
    const setThreads = vi.fn();
    const { solve } = lapackOf('LAPACK (test)', fakeDsyevd(), { ...native, setThreads });
    solve(diagonalOf(n), 1, n, 1);
    solve(diagonalOf(n), 1, n, 2);
    expect(setThreads.mock.calls).toEqual([[1], [2]]);
  });

  it('hands over arrays that start at a multiple of 64 bytes', () => {
    const starts: number[] = [];
    const dsyevd: Dsyevd = (...given) => {
      starts.push(...[given[3], given[5], given[6]].map(({ byteOffset }) => (byteOffset + 16) % 64));
    };
    lapackOf('LAPACK (test)', dsyevd, native).solve(diagonalOf(n), 1, n, 1);
    expect(starts).toEqual([0, 0, 0]);
  });
});

describe('eigendecompose', () => {
  beforeEach(() => vi.resetModules());
  afterEach(() => vi.doUnmock('../../../operators/curvature/lapack.ts'));

  /** With `dsyevd` as the machine's library. */
  async function withLibrary(dsyevd: Dsyevd) {
    vi.doMock('../../../operators/curvature/lapack.ts', async (original) => ({
      ...(await original<typeof import('../../../operators/curvature/lapack.ts')>()),
      openLapack: (): FoundLapack => ({ lapack: lapackOf('LAPACK (test)', dsyevd, native), notice: null }),
    }));
    return import('../../../operators/curvature/eigendecompose.ts');
  }

  it.each([
    ['gives wrong eigenvalues', fakeDsyevd(0, 1), 'it gave wrong eigenvectors of a (64,64) matrix'],
    ['refuses its arguments', fakeDsyevd(-1), 'got -1 for n = 64'],
  ])('does without a library that %s', async (_, dsyevd, reason) => {
    const { eigendecompose, eigenLibrary } = await withLibrary(dsyevd);
    expect(eigendecompose(diagonalOf(n), n).values[0]).toBeCloseTo(n, 10);
    expect(eigenLibrary().name).toMatch(/^ml-matrix/);
    expect(eigenLibrary().notice).toContain('LAPACK (test) was found, which cannot be used (');
    expect(eigenLibrary().notice).toContain(reason);
  });

  it('does without a library from its first wrong decomposition on', async () => {
    const dsyevd = vi.fn(fakeDsyevd(0, 70));
    const { eigendecompose, eigenLibrary } = await withLibrary(dsyevd);
    expect(eigendecompose(diagonalOf(64), 64).values[63]).toBeCloseTo(1, 10);
    expect(eigenLibrary()).toEqual({ name: 'LAPACK (test)', notice: null });
    expect(eigendecompose(diagonalOf(70), 70).values[69]).toBeCloseTo(1, 10);
    expect(eigenLibrary().notice).toContain('it gave wrong eigenvectors of a (70,70) matrix');
    const calls = dsyevd.mock.calls.length;
    eigendecompose(diagonalOf(64), 64);
    expect(dsyevd).toHaveBeenCalledTimes(calls);
  });
});

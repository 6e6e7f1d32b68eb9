/** Opens the machine's LAPACK library through koffi, for `dsyevd`: the eigendecomposition of a symmetric matrix by divide and conquer. */
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { InputError } from '../../schemas/errors.ts';

/** As LAPACK gives it: (n) `values` ascending, and the eigenvector of values[j] in row j of `rows` (n,n). */
export interface AscendingEigen {
  values: Float64Array;
  rows: Float64Array;
}

export interface Lapack {
  /** `OpenBLAS 0.3.21 (libopenblas.so.0)`. */
  name: string;
  /** Decomposes scale · `symmetric` (n,n), reading its lower triangle. */
  solve: (symmetric: Float64Array, scale: number, n: number, threads: number) => AscendingEigen;
}

/** What was found: no library where `lapack` is null, and then `notice` says what to do, unless none was wished for. */
export interface FoundLapack {
  lapack: Lapack | null;
  notice: string | null;
}

/** LAPACK's own routine: everything by reference, the lengths of the two letters last. `info` comes back 0, or says what failed. */
export type Dsyevd = (
  jobz: string,
  uplo: string,
  n: BigInt64Array,
  a: Float64Array,
  lda: BigInt64Array,
  w: Float64Array,
  work: Float64Array,
  lwork: BigInt64Array,
  iwork: BigInt64Array,
  liwork: BigInt64Array,
  info: BigInt64Array,
  jobzLength: number,
  uploLength: number,
) => void;

type Koffi = typeof import('koffi');
type Library = ReturnType<Koffi['load']>;

/** Where a library may be, the best first: names that the system's loader resolves, and paths. */
const libraries: Record<string, string[]> = {
  // Reference LAPACK (liblapack.so.3) is left out: it is about twice as fast as ml-matrix.
  linux: ['libopenblas.so.0', 'libopenblasp.so.0', 'libopenblas.so.3', 'libopenblas.so'],
  darwin: [
    '/System/Library/Frameworks/Accelerate.framework/Accelerate',
    '/opt/homebrew/opt/openblas/lib/libopenblas.dylib',
    '/usr/local/opt/openblas/lib/libopenblas.dylib',
  ],
  win32: ['openblas.dll', 'libopenblas.dll'],
};

/** What stands around a symbol's name, by distribution; 64_ where integers have 64 bits. */
const spellings = [
  ['', ''], // the systems' packages, Accelerate
  ['', '64_'],
  ['scipy_', ''], // the wheels of scipy
  ['scipy_', '64_'], // and of numpy
];

const install: Record<string, string> = {
  linux: 'install OpenBLAS (Debian and Ubuntu: apt-get install libopenblas0-pthread)',
  darwin: 'install OpenBLAS (brew install openblas)',
  win32: "put OpenBLAS's openblas.dll into a folder of PATH",
};

const meanwhile = 'ml-matrix computes eigenvectors meanwhile, 20 to 50 times slower from n = 512 on';

/** Looks for a library, or opens the file `wanted`; 'none' looks for none. Never throws. */
export function openLapack(wanted: string | undefined, system: string = process.platform): FoundLapack {
  if (wanted === 'none') return { lapack: null, notice: null };
  const reasons: string[] = [];
  try {
    // Not an import: koffi is optional.
    const koffi: Koffi = createRequire(import.meta.url)('koffi');
    for (const file of wanted ? [wanted] : (libraries[system] ?? [])) {
      const lapack = firstWithout(reasons, () => loadLapack(koffi, file));
      if (lapack) return { lapack, notice: null };
    }
  } catch (cause) {
    return { lapack: null, notice: `koffi does not load (${firstLine(cause)}): ${meanwhile}; run npm ci` };
  }
  if (wanted) return unusable(`HEADWATER_LAPACK names ${wanted}`, reasons[0]);
  const next = install[system] ?? 'install OpenBLAS';
  return {
    lapack: null,
    notice: `no LAPACK library found: ${meanwhile}; ${next}, or name a library's file in HEADWATER_LAPACK`,
  };
}

/** A library that is there and of no use. */
export function unusable(which: string, reason: string): FoundLapack {
  return {
    lapack: null,
    notice: `${which}, which cannot be used (${reason}): ${meanwhile}; name the file of another LAPACK library in HEADWATER_LAPACK`,
  };
}

function firstWithout<T>(reasons: string[], attempt: () => T): T | null {
  try {
    return attempt();
  } catch (cause) {
    reasons.push(firstLine(cause));
    return null;
  }
}

const firstLine = (cause: unknown): string => (cause as Error).message.split('\n')[0];

function loadLapack(koffi: Koffi, file: string): Lapack {
  const library = koffi.load(file);
  for (const [before, after] of spellings) {
    const dsyevd = find<Dsyevd>(library, `void ${before}dsyevd_${after}(${dsyevdParameters})`);
    if (!dsyevd) continue;
    const config = find<() => string>(library, `const char *${before}openblas_get_config${after}()`);
    const setThreads = find<(threads: number) => void>(library, `void ${before}openblas_set_num_threads${after}(int)`);
    const name = /OpenBLAS [\d.]*\d/.exec(config?.() ?? '')?.[0] ?? 'LAPACK';
    return lapackOf(`${name} (${basename(file)})`, dsyevd, { setThreads, addressOf: koffi.address });
  }
  throw new Error('it has no symbol dsyevd_');
}

const dsyevdParameters =
  'const char*, const char*, int64_t*, double*, int64_t*, double*, double*, int64_t*, int64_t*, int64_t*, int64_t*, size_t, size_t';

function find<F>(library: Library, prototype: string): F | null {
  try {
    return library.func(prototype) as F;
  } catch {
    return null;
  }
}

interface Native {
  /** Of the whole process. A library without it keeps its own number (OMP_NUM_THREADS, VECLIB_MAXIMUM_THREADS). */
  setThreads: ((threads: number) => void) | null;
  addressOf: (array: Float64Array) => bigint;
}

export function lapackOf(name: string, dsyevd: Dsyevd, { setThreads, addressOf }: Native): Lapack {
  const solve: Lapack['solve'] = (symmetric, scale, n, threads) => {
    const lwork = 1 + 6 * n + 2 * n * n;
    const liwork = 3 + 5 * n;
    const a = alignedArray(n * n, addressOf);
    for (let i = 0; i < a.length; i++) a[i] = symmetric[i] * scale;
    const w = alignedArray(n, addressOf);
    const work = alignedArray(lwork, addressOf);
    const info = integer(0);
    setThreads?.(threads);
    // LAPACK counts by columns: its upper triangle is the lower one of rows, and its eigenvectors, in columns, are rows here.
    const [order, iwork] = [integer(n), new BigInt64Array(liwork)];
    dsyevd('V', 'U', order, a, order, w, work, integer(lwork), iwork, integer(liwork), info, 1, 1);
    assertConverged(name, info, n);
    return { values: w, rows: a };
  };
  return { name, solve };
}

/** In 64 bits, whose lower half comes first: right for a library of 32-bit integers too. */
const integer = (value: number): BigInt64Array => BigInt64Array.of(BigInt(value));

function assertConverged(name: string, info: BigInt64Array, n: number): void {
  const code = new Int32Array(info.buffer)[0]; // the lower half
  if (code === 0) return;
  const meaning = code < 0 ? `it refused argument ${-code}` : 'it did not converge';
  throw new InputError(
    `eigendecompose expected dsyevd of ${name} to end with info 0, got ${code} for n = ${n}: ${meaning}; set HEADWATER_LAPACK=none to use ml-matrix`,
  );
}

/** Starts at a multiple of 64 bytes: some of OpenBLAS's kernels (Sandy Bridge) add in another order elsewhere, and give other last bits. */
function alignedArray(length: number, addressOf: Native['addressOf']): Float64Array {
  const array = new Float64Array(length + 7);
  const past = Number(addressOf(array) % 64n) / 8;
  const start = (8 - past) % 8;
  return array.subarray(start, start + length);
}

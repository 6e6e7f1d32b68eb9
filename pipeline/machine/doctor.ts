/** Looks at what this machine has, and says whether Headwater can run here. */
import { constants } from 'node:fs';
import { access, readFile, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { eigenLibrary } from '../../operators/curvature/eigendecompose.ts';
import { printableLine } from '../../operators/report/printableText.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { availableCores } from './availableCores.ts';
import { measureMatrixProduct } from './measureMatrixProduct.ts';

/** What was found on a machine. */
export interface Machine {
  node: string;
  platform: string;
  cpu: string;
  /** Cores of the machine, and those that this process may use. */
  cores: number;
  coresAvailable: number;
  /** Names as Linux gives them (`avx2`, `avx512f`); null where the system does not say. */
  cpuFlags: string[] | null;
  /** Bytes, the container's limit counted. */
  memoryTotal: number;
  memoryAvailable: number;
  folder: string;
  /** Bytes; null where the file system does not say. */
  diskFree: number | null;
  folderWritable: boolean;
  /** Every package that Headwater needs, and the version that is there; null where there is none. */
  packages: Record<string, string | null>;
  /** Floating-point operations a second of one thread, or why onnxruntime did not run. */
  matrixProduct: { flops: number } | { failure: string };
  /** What computes eigenvectors; the notice says what to do where that is the slow one. */
  eigenLibrary: { name: string; notice: string | null };
}

/** One line of the doctor's. `ok` null: good to know, not needed. */
export interface Check {
  ok: boolean | null;
  what: string;
  found: string;
  /** What to do where it is not ok. */
  next?: string;
}

/** `measure` runs a matrix product in onnxruntime. */
export async function examineMachine(folder = process.cwd(), measure = measureMatrixProduct): Promise<Machine> {
  const processors = cpus();
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: processors[0]?.model.trim() || 'unknown',
    cores: processors.length,
    coresAvailable: availableCores(),
    cpuFlags: await readCpuFlags(),
    memoryTotal: memoryLimit(),
    memoryAvailable: Math.min(process.availableMemory(), memoryLimit()),
    folder,
    diskFree: await statfs(folder).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => null,
    ),
    folderWritable: await access(folder, constants.W_OK).then(
      () => true,
      () => false,
    ),
    packages: await readPackageVersions(Object.keys(packageJson.dependencies)),
    matrixProduct: await measure().then(
      (flops) => ({ flops }),
      (error: unknown) => ({ failure: error instanceof Error ? error.message : String(error) }),
    ),
    eigenLibrary: eigenLibrary(),
  };
}

/** Judges what was found. */
export function checkMachine(machine: Machine): Check[] {
  const missing = Object.keys(machine.packages).filter((name) => machine.packages[name] === null);
  const shown = Object.entries(machine.packages).filter(([name, version]) => version && notable.has(name));
  const { matrixProduct } = machine;
  const ran = 'flops' in matrixProduct;
  return [
    {
      ok: isAtLeast(machine.node, packageJson.engines.node),
      what: 'Node',
      found: `${machine.node} on ${machine.platform}`,
      next: `expected ${packageJson.engines.node}: install a newer Node`,
    },
    {
      ok: null,
      what: 'processor',
      found: `${machine.cpu}, ${machine.coresAvailable} of ${machine.cores} cores available`,
    },
    { ok: null, what: 'vector units', found: vectorUnits(machine.cpuFlags) },
    {
      ok: null,
      what: 'memory',
      found: `${gib(machine.memoryAvailable)} available of ${gib(machine.memoryTotal)}`,
    },
    {
      ok: machine.folderWritable,
      what: 'disk',
      found: `${machine.diskFree === null ? 'unknown' : gib(machine.diskFree)} free in ${machine.folder}`,
      next: 'expected a folder that can be written to: change to another, or name run folder and cache with --out and --set cache=…',
    },
    {
      ok: missing.length === 0,
      what: 'packages',
      found:
        missing.length > 0
          ? `no ${missing.join(', ')}`
          : shown.map(([name, version]) => `${name} ${version}`).join(', '),
      next: 'run npm ci in the folder of Headwater',
    },
    {
      ok: ran,
      what: 'onnxruntime',
      found: ran ? `loads; ${(matrixProduct.flops / 1e9).toFixed(0)} GFLOP/s on one thread` : matrixProduct.failure,
      next: 'onnxruntime-node has binaries for Linux, macOS and Windows on x64 and arm64: run npm ci there',
    },
    {
      ok: machine.eigenLibrary.notice ? null : true,
      what: 'eigenvectors',
      found: machine.eigenLibrary.notice ?? machine.eigenLibrary.name,
    },
  ];
}

/** A line for each check. */
export function checkLines(checks: Check[]): string[] {
  return checks.map(({ ok, what, found, next }) => {
    const mark = ok === null ? ' ' : ok ? '✓' : '✗';
    return `${mark} ${what.padEnd(13)}${printableLine(found)}${ok === false && next ? `; ${next}` : ''}`;
  });
}

const notable = new Set(['onnxruntime-node', '@huggingface/transformers', 'hyparquet', 'parquetjs-lite', 'piscina']);

/** `20.20.2` against `>=20.19`. */
function isAtLeast(version: string, range: string): boolean {
  const [major, minor] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = range.replace('>=', '').split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function vectorUnits(flags: string[] | null): string {
  if (!flags) return 'not known on this system';
  const has = (flag: string): string => (flags.includes(flag) ? 'yes' : 'no');
  return `AVX2 ${has('avx2')}, AVX-512 ${has('avx512f')}, AVX-512 VNNI ${has('avx512_vnni')}`;
}

async function readCpuFlags(): Promise<string[] | null> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const line = /^flags\s*:(.*)$/m.exec(text); // x86 only
  return line?.[1].trim().split(' ') ?? null;
}

/** Bytes that this process may ever have. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory() ?? 0; // 0, or 2^64 - 1, where nothing limits it
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

async function readPackageVersions(names: string[]): Promise<Record<string, string | null>> {
  const versions = names.map(async (name) => [name, await readPackageVersion(name)] as const);
  return Object.fromEntries(await Promise.all(versions));
}

async function readPackageVersion(name: string): Promise<string | null> {
  // Not require.resolve(`${name}/package.json`): packages need not export that file.
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? [];
  for (const folder of folders) {
    const text = await readFile(join(folder, name, 'package.json'), 'utf8').catch(() => null);
    if (text) return (JSON.parse(text) as { version: string }).version;
  }
  return null;
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

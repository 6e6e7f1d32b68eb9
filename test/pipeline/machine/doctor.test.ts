import { describe, expect, it } from 'vitest';
import { eigenLibrary } from '../../../operators/curvature/eigendecompose.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { checkLines, checkMachine, examineMachine, type Machine } from '../../../pipeline/machine/doctor.ts';

const sound: Machine = {
  node: '20.19.0',
  platform: 'linux x64',
  cpu: 'AMD EPYC',
  cores: 8,
  coresAvailable: 2,
  cpuFlags: ['sse2', 'avx2'],
  memoryTotal: 16 * 2 ** 30,
  memoryAvailable: 12.5 * 2 ** 30,
  folder: '/work',
  diskFree: 100 * 2 ** 30,
  folderWritable: true,
  packages: { 'onnxruntime-node': '1.30.0', hyparquet: '1.31.5', zod: '4.6.7' },
  matrixProduct: { flops: 82.4e9 },
  eigenLibrary: { name: 'OpenBLAS 0.3.21 (libopenblas.so.0)', notice: null },
};

const linesOf = (machine: Machine): string[] => checkLines(checkMachine(machine));
const failing = (machine: Machine): string[] => linesOf(machine).filter((line) => line.startsWith('✗'));

describe('doctor', () => {
  it('lists what the machine has', () => {
    expect(linesOf(sound)).toEqual([
      '✓ Node         20.19.0 on linux x64',
      '  processor    AMD EPYC, 2 of 8 cores available',
      '  vector units AVX2 yes, AVX-512 no, AVX-512 VNNI no',
      '  memory       12.5 GiB available of 16.0 GiB',
      '✓ disk         100.0 GiB free in /work',
      '✓ packages     onnxruntime-node 1.30.0, hyparquet 1.31.5',
      '✓ onnxruntime  loads; 82 GFLOP/s on one thread',
      '✓ eigenvectors OpenBLAS 0.3.21 (libopenblas.so.0)',
    ]);
  });

  it.each([
    [{ node: '20.18.3' }, '✗ Node         20.18.3 on linux x64; expected >=20.19: install a newer Node'],
    [{ node: '18.20.0' }, '✗ Node         18.20.0 on linux x64; expected >=20.19: install a newer Node'],
    [{ folderWritable: false }, 'disk         100.0 GiB free in /work; expected a folder that can be written to'],
    [
      { packages: { ...sound.packages, hyparquet: null } },
      'packages     no hyparquet; run npm ci in the folder of Headwater',
    ],
    [
      { matrixProduct: { failure: 'cannot open \u001b[31mshared object' } },
      'onnxruntime  cannot open \\u{1b}[31mshared object; onnxruntime-node has binaries for',
    ],
  ])('says what is wrong and what to do about %j', (fault, line) => {
    expect(failing({ ...sound, ...fault })).toEqual([expect.stringContaining(line)]);
  });

  it('takes newer versions of Node', () => {
    for (const node of ['20.20.2', '22.0.0', '100.1.1']) expect(failing({ ...sound, node })).toEqual([]);
  });

  it('does without what a system does not tell', () => {
    const lines = linesOf({ ...sound, cpuFlags: null, diskFree: null });
    expect(lines).toContain('  vector units not known on this system');
    expect(lines).toContain('✓ disk         unknown free in /work');
  });

  it('names the slow library of eigenvectors as no fault', () => {
    const notice = 'no LAPACK library found: ml-matrix computes eigenvectors meanwhile; install OpenBLAS';
    const machine = { ...sound, eigenLibrary: { name: 'ml-matrix 6.15.1', notice } };
    expect(linesOf(machine)).toContain(`  eigenvectors ${notice}`);
    expect(failing(machine)).toEqual([]);
  });

  it('examines this machine', async () => {
    const machine = await examineMachine('.', async () => 1e9);
    expect(Object.keys(machine.packages)).toEqual(Object.keys(packageJson.dependencies));
    expect(Object.values(machine.packages)).toEqual(Object.values(packageJson.dependencies));
    expect(machine.memoryAvailable).toBeGreaterThan(0);
    expect(machine.memoryAvailable).toBeLessThanOrEqual(machine.memoryTotal);
    expect(machine.coresAvailable).toBeLessThanOrEqual(machine.cores);
    expect(machine.eigenLibrary).toEqual(eigenLibrary());
    expect(failing(machine)).toEqual([]);
  });

  it('says why onnxruntime does not run', async () => {
    const machine = await examineMachine('.', () => Promise.reject(new Error('no binary for this system')));
    expect(failing(machine)).toEqual([expect.stringContaining('onnxruntime  no binary for this system; ')]);
  });
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { availableCores } from '../../../pipeline/machine/availableCores.ts';

const roots: string[] = [];
afterEach(() => Promise.all(roots.splice(0).map((root) => rm(root, { recursive: true }))));

/** A machine's root folder that holds these files. */
async function machine(files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'headwater-'));
  roots.push(root);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

describe('availableCores', () => {
  it('is what the process is scheduled on where nothing limits it', async () => {
    expect(availableCores(await machine({}), 16)).toBe(16);
    const unlimited = { 'proc/self/cgroup': '0::/a\n', 'sys/fs/cgroup/a/cpu.max': 'max 100000\n' };
    expect(availableCores(await machine(unlimited), 16)).toBe(16);
  });

  it('obeys the quota of a control group of version 2', async () => {
    const files = { 'proc/self/cgroup': '0::/a\n', 'sys/fs/cgroup/a/cpu.max': '350000 100000\n' };
    expect(availableCores(await machine(files), 16)).toBe(3);
    expect(availableCores(await machine(files), 2)).toBe(2);
  });

  it('obeys the tightest quota of the groups above', async () => {
    const files = {
      'proc/self/cgroup': '0::/a/b\n',
      'sys/fs/cgroup/a/b/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/a/cpu.max': '200000 100000\n',
      'sys/fs/cgroup/cpu.max': '400000 100000\n',
    };
    expect(availableCores(await machine(files), 16)).toBe(2);
  });

  it('obeys the quota of a control group of version 1', async () => {
    const files = {
      'proc/self/cgroup': '4:memory:/m\n3:cpu,cpuacct:/c\n0::/\n',
      'sys/fs/cgroup/cpu/c/cpu.cfs_quota_us': '150000\n',
      'sys/fs/cgroup/cpu/c/cpu.cfs_period_us': '50000\n',
    };
    expect(availableCores(await machine(files), 16)).toBe(3);
    const unlimited = { ...files, 'sys/fs/cgroup/cpu/c/cpu.cfs_quota_us': '-1\n' };
    expect(availableCores(await machine(unlimited), 16)).toBe(16);
  });

  it('is at least one', async () => {
    const files = { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' };
    expect(availableCores(await machine(files), 16)).toBe(1);
  });
});

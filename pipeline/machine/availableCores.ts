/** How many cores this process may use: no more than it is scheduled on, nor than its container's quota pays for. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** `root` is `/`; `scheduled` is what the affinity mask allows, which is all that Node 20 looks at. */
export function availableCores(root = '/', scheduled = availableParallelism()): number {
  return Math.max(1, Math.floor(Math.min(scheduled, cpuQuota(root))));
}

/** The tightest CPU quota of the control groups that hold this process, in cores; Infinity where there is none. */
function cpuQuota(root: string): number {
  const lines = (read(root, 'proc/self/cgroup') ?? '').trim().split('\n');
  const quotas = lines.flatMap((line) => {
    const [, controllers, path = '/'] = line.split(':');
    if (controllers === '') return foldersUp(path).map((folder) => quotaV2(root, folder));
    if (!controllers?.split(',').includes('cpu')) return [];
    return foldersUp(path).map((folder) => quotaV1(root, folder));
  });
  return Math.min(Number.POSITIVE_INFINITY, ...quotas);
}

function quotaV2(root: string, folder: string): number {
  const [quota, period] = (read(root, 'sys/fs/cgroup', folder, 'cpu.max') ?? 'max').trim().split(' ');
  return quota === 'max' ? Number.POSITIVE_INFINITY : Number(quota) / Number(period);
}

function quotaV1(root: string, folder: string): number {
  const quota = Number(read(root, 'sys/fs/cgroup/cpu', folder, 'cpu.cfs_quota_us') ?? -1);
  const period = Number(read(root, 'sys/fs/cgroup/cpu', folder, 'cpu.cfs_period_us') ?? 0);
  return quota > 0 && period > 0 ? quota / period : Number.POSITIVE_INFINITY;
}

/** `/a/b` gives `/a/b`, `/a` and `/`: a limit further up holds too. */
function foldersUp(path: string): string[] {
  const steps = path.split('/').filter(Boolean);
  return Array.from({ length: steps.length + 1 }, (_, up) => `/${steps.slice(0, steps.length - up).join('/')}`);
}

function read(...path: string[]): string | null {
  try {
    return readFileSync(join(...path), 'utf8');
  } catch {
    return null; // another system, or a group that is not mounted here
  }
}

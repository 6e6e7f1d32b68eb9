import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { digests, smallFolder, someDocuments, writeWorld } from '../pipeline/smallWorld.ts';
import { headwater, start } from '../pipeline/supervisor/programs.ts';

vi.setConfig({ testTimeout: 240_000 });

/** A file system of its own in memory, of so many MiB; null where this process may not mount one. */
async function smallDisk(mebibytes: number): Promise<string | null> {
  const disk = join(await smallFolder(), 'disk');
  await mkdir(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', disk], { stdio: 'pipe' });
  } catch {
    return null;
  }
  onTestFinished(() => void execFileSync('umount', ['--lazy', disk]));
  return disk;
}

const remount = (disk: string, options: string) => execFileSync('mount', ['-o', `remount,${options}`, disk]);

const documents = Array.from({ length: 30 }, (_, i) => ({ ...someDocuments[i % 7], id: `d${i}` }));

describe('a disk', () => {
  it('that is full ends the run with exit 6 and the path; its last checkpoint is whole, and gone on from once there is room', async (context) => {
    // One checkpoint has 7 MB, most of it the sample of ids: the second one finds the disk full.
    const disk = await smallDisk(10);
    if (!disk) return context.skip('mounting a small disk takes root');
    const path = await writeWorld(join(disk, '..'), { slice: { documents: 3 }, checkpoint: { seconds: 0 } }, documents);
    const run = (out: string) => start(headwater, ['run', path, '--out', out]).ended;
    const out = join(disk, 'out');
    const full = await run(out);
    expect(full.exitCode).toBe(6);
    expect(full.err).toMatch(/error: .*disk\/out\/checkpoint\/generation-\d\.bin: .*(ENOSPC|no space left)/);
    remount(disk, 'size=200m');
    const again = await run(out);
    expect(again.exitCode).toBe(0);
    expect(again.err).toMatch(/going on from the checkpoint behind row \d+ of the corpus/);
    const whole = join(disk, '../whole');
    expect((await run(whole)).exitCode).toBe(0);
    expect(await digests(out)).toEqual(await digests(whole));
  });

  it('that may only be read ends the run with exit 6 and the path', async (context) => {
    const disk = await smallDisk(10);
    if (!disk) return context.skip('mounting a small disk takes root');
    const path = await writeWorld(join(disk, '..'), {}, documents);
    remount(disk, 'ro');
    const { exitCode, err } = await start(headwater, ['run', path, '--out', join(disk, 'out')]).ended;
    expect(exitCode).toBe(6);
    expect(err).toMatch(
      /^error: cannot write .*disk\/out: .*; make room or grant rights there, or name another folder/m,
    );
  });
});

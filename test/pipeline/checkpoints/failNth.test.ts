/** Every call that writes, flushes, renames or removes a file of a short run fails once: what stands on the disk can always be gone on with. */
import { cp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { openUniform } from '../../../operators/curvature/sampleUniform.ts';
import { type Fault, failNth } from '../../fixtures/failNth.ts';
import { faultsOfEnding, faultsOfResuming, type Place } from '../../fixtures/faultyRuns.ts';
import { command, smallFolder, writeWorld } from '../smallWorld.ts';
import { headwater, start } from '../supervisor/programs.ts';

vi.setConfig({ testTimeout: 300_000 });

const uniform = openUniform(6);

const placeIn = (folder: string): Place => ({ out: join(folder, 'out'), cache: join(folder, 'cache') });

/** A run that writes a checkpoint behind each batch; what it gives undisturbed is copied aside. */
async function shortRun() {
  const folder = await smallFolder();
  const yaml = await writeWorld(folder, {
    checkpoint: { seconds: 1e-6 },
    slice: { documents: 3 },
    bm25: false,
    out: 'out',
    cache: 'cache',
  });
  const place = placeIn(folder);
  const expected = placeIn(join(folder, 'expected'));
  const run = (fault: Partial<Fault> = {}) => faulty(yaml, { nth: 0, how: 'EIO', within: folder, ...fault });
  const empty = await run();
  await cp(place.out, expected.out, { recursive: true });
  await cp(place.cache, expected.cache, { recursive: true });
  await rm(place.out, { recursive: true });
  const filled = await run();
  await rm(place.out, { recursive: true });
  return { folder, place, expected, run, calls: { empty: empty.calls, filled: filled.calls } };
}

async function faulty(yaml: string, fault: Fault) {
  const failing = failNth(fault);
  try {
    return { ...(await command('run', yaml)), calls: failing.calls() };
  } finally {
    failing.end();
  }
}

/** With HEADWATER_EVERY_CALL=1 every call fails in its turn, which takes about half an hour. */
const everyCall = process.env.HEADWATER_EVERY_CALL === '1';
const orEvery = (step: number): number => (everyCall ? 1 : step);

/** Every `step`th of the calls, from a drawn first one. */
function drawn(calls: number, step: number, seed: number): number[] {
  const first = 1 + Math.floor(step * uniform(seed, 0));
  return Array.from({ length: Math.ceil((calls - first + 1) / step) }, (_, i) => first + i * step);
}

describe('a call that fails', () => {
  const longEnough = everyCall ? 7_200_000 : 300_000;

  it('ends the run with exit code 6 and the path; the same command then goes on to the same bytes', {
    timeout: longEnough,
  }, async () => {
    const { place, expected, run, calls } = await shortRun();
    const trials = [
      ...drawn(calls.filled, orEvery(16), 1).map((nth) => ({ nth, how: 'EIO' as const, cached: true })),
      ...drawn(calls.filled, orEvery(50), 2).map((nth) => ({ nth, how: 'ENOSPC' as const, cached: true })),
      ...drawn(calls.empty, orEvery(60), 3).map((nth) => ({ nth, how: 'EIO' as const, cached: false })),
    ];
    expect(trials.length).toBeGreaterThan(30);
    let tried = 0;
    for (const { nth, how, cached } of trials) {
      if (!cached) await rm(place.cache, { recursive: true });
      const ended = await run({ nth, how });
      const found = [
        ...(await faultsOfEnding(ended, false, place, expected)),
        ...(await faultsOfResuming(await run(), place, expected)),
      ];
      expect(found, `${how} at call ${nth} of ${cached ? calls.filled : calls.empty}`).toEqual([]);
      await rm(place.out, { recursive: true });
      if (everyCall && ++tried % 50 === 0) console.log(`${tried} of ${trials.length} tried`);
    }
  });
});

describe('a process killed in the midst of a write', () => {
  it('leaves nothing half written under its name; the same command then goes on to the same bytes', async () => {
    const { folder, place, expected, calls } = await shortRun();
    const preload = ['--import', resolve('test/fixtures/failNthPreload.js')];
    const args = ['run', join(folder, 'run.yaml'), '--quiet', '--no-supervisor'];
    for (const nth of drawn(calls.filled, Math.ceil(calls.filled / 4), 4)) {
      const fault: Fault = { nth, how: 'kill', within: folder };
      const killed = await start([...preload, ...headwater], args, { FAIL_NTH: JSON.stringify(fault) }).ended;
      expect(killed.signal).toBe('SIGKILL');
      const again = await start(headwater, args).ended;
      const found = [
        ...(await faultsOfEnding({ exitCode: null, stderr: '' }, true, place, expected)),
        ...(await faultsOfResuming({ exitCode: again.exitCode, stderr: again.err }, place, expected)),
      ];
      expect(found, `killed at call ${nth} of ${calls.filled}`).toEqual([]);
      await rm(place.out, { recursive: true });
    }
  });
});

import { join, resolve } from 'node:path';
import { expect, it, vi } from 'vitest';
import { readJson, smallFolder, someDocuments, writeWorld } from '../pipeline/smallWorld.ts';
import { headwater, start } from '../pipeline/supervisor/programs.ts';

vi.setConfig({ testTimeout: 120_000 });

it('a wall clock that jumps by days ends no batch and spoils no rate', async () => {
  const folder = await smallFolder();
  const settings = { slice: { documents: 1 }, checkpoint: { seconds: 1 }, supervisor: { batchSeconds: 60 } };
  const path = await writeWorld(folder, settings, someDocuments);
  const out = join(folder, 'out');
  const clock = { NODE_OPTIONS: `--import=${resolve('test/fixtures/jumpingClock.js')}` };
  const ended = await start(headwater, ['run', path, '--out', out], clock).ended;
  expect(ended.exitCode).toBe(0);
  expect(ended.err).not.toMatch(/started again|without progress|NaN|Infinity|-\d+(\.\d+)? s\b/);
  const { counts, seconds } = await readJson(out, 'run.json');
  expect(counts).toMatchObject({ read: 7, scored: 7 });
  for (const [part, taken] of Object.entries(seconds)) {
    expect(taken, part).toBeGreaterThanOrEqual(0);
    expect(taken, part).toBeLessThan(120);
  }
});

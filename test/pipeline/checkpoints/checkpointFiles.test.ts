import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type Checkpoint,
  journalPath,
  latestCheckpoint,
  restoreState,
  serializeState,
  writeCheckpoint,
} from '../../../pipeline/checkpoints/checkpointFiles.ts';
import { Journal } from '../../../pipeline/checkpoints/journal.ts';
import type { OpenFold } from '../../../pipeline/operators/folds.ts';

const fold = (state: unknown): OpenFold => ({ name: 'tally', state, add() {}, merge() {}, result: () => null });

function checkpoint(generation: number, journalBytes = 0): Checkpoint {
  return {
    identity: '{}',
    queryGradients: null,
    generation,
    batch: 3 * generation,
    key: 100 * generation,
    tally: { read: generation, lost: 0, replaced: 0, seconds: 0 },
    journalBytes,
    folds: [{ name: 'tally', state: serializeState(fold({ sums: Float64Array.of(generation, -0, Number.NaN) })) }],
  };
}

async function folderWith(...generations: number[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-checkpoint-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const generation of generations) await writeCheckpoint(folder, checkpoint(generation));
  return folder;
}

async function latest(folder: string): Promise<{ found: Checkpoint | null; said: string[] }> {
  const said: string[] = [];
  return { found: await latestCheckpoint(folder, (line) => said.push(line)), said };
}

describe('checkpoints', () => {
  it('are kept for two generations, of which the later one is gone on from', async () => {
    const folder = await folderWith(1, 2, 3);
    expect((await readdir(folder)).sort()).toEqual(['generation-0.bin', 'generation-1.bin']);
    const { found, said } = await latest(folder);
    expect(found).toMatchObject({ generation: 3, batch: 9, key: 300 });
    expect(restoreState(found!.folds[0].state)).toEqual({ sums: Float64Array.of(3, -0, Number.NaN) });
    expect(said).toEqual([]);
  });

  it('there are none before the first', async () => {
    expect(await latest(await folderWith())).toEqual({ found: null, said: [] });
  });

  it('of which the later is damaged anywhere are gone on from at the one before, and that is said', async () => {
    const folder = await folderWith(1, 2);
    const path = join(folder, 'generation-0.bin');
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at += 7) {
      const flipped = Buffer.from(whole);
      flipped[at] ^= 1 << (at % 8);
      await writeFile(path, flipped);
      const { found, said } = await latest(folder);
      expect(found?.generation, `byte ${at}`).toBe(1);
      expect(said).toEqual([
        expect.stringMatching(/^the checkpoint .*generation-0\.bin is damaged \(.+\): going on from the one before$/),
      ]);
    }
    await writeFile(path, whole.subarray(0, whole.length >> 1));
    expect((await latest(folder)).found?.generation).toBe(1);
  });

  it('of which the later one’s journal is damaged are gone on from at the one before', async () => {
    const folder = await folderWith(1);
    const journal = await Journal.open(journalPath(folder), 0);
    await journal.append({ setAside: [], lost: [], scores: null });
    await journal.close();
    await writeCheckpoint(folder, checkpoint(2, journal.bytes));
    expect((await latest(folder)).found?.generation).toBe(2);
    await writeFile(journalPath(folder), 'x');
    const { found, said } = await latest(folder);
    expect(found?.generation).toBe(1);
    expect(said.join()).toMatch(/generation-0\.bin cannot be used: the journal .* is damaged at byte 0/);
  });

  it('that are all damaged are refused, not begun anew in silence', async () => {
    const folder = await folderWith(1, 2);
    for (const name of await readdir(folder)) await writeFile(join(folder, name), 'not this');
    await expect(latest(folder)).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringMatching(
        /^no checkpoint in .* is whole: .*generation-0.*; .*generation-1.*\. Begin again with --no-resume/,
      ),
    });
  });

  it('name the fold whose state cannot be written', () => {
    expect(() => serializeState(fold({ score: () => 1 }))).toThrow(
      /^fold tally: its state cannot be written to a checkpoint \(.*could not be cloned.*\): keep plain data in it/,
    );
  });
});

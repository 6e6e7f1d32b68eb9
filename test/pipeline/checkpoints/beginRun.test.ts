import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { beginRun, endRun } from '../../../pipeline/checkpoints/beginRun.ts';
import { serializeState, writeCheckpoint } from '../../../pipeline/checkpoints/checkpointFiles.ts';

const identity = { version: '1', topK: 3, 'corpus.limit': 10 };
const other = { version: '1', topK: 5, 'corpus.limit': 10 };

async function runFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-begin-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'run');
}

const begin = (out: string, resume = true, wanted = identity) => beginRun(out, wanted, { resume, log: () => {} });

async function checkpointAt(checkpoints: string, key: number): Promise<void> {
  const state = serializeState({ name: 'tally', state: {}, add() {}, merge() {}, result: () => null });
  const tally = { read: key, lost: 0, replaced: 0, seconds: 1 };
  const place = { generation: 1, batch: 1, key, journalBytes: 0 };
  await writeCheckpoint(checkpoints, {
    identity: '',
    queryGradients: null,
    ...place,
    tally,
    folds: [{ name: 'tally', state }],
  });
}

/** What run.json says of a run that is done. */
async function finish(out: string, tables: string[], made: object = { identity, exitCode: 0 }): Promise<void> {
  for (const name of tables) await writeFile(join(out, name), 'rows');
  await writeFile(join(out, 'run.json'), JSON.stringify({ tables, ...made }));
  await endRun(out);
}

describe('a run', () => {
  it('begins in a folder that is not there or holds nothing of anybody’s', async () => {
    const out = await runFolder();
    expect(await begin(out)).toMatchObject({ done: null, from: null, earlier: [] });
    const locked = await runFolder();
    await mkdir(join(locked, 'checkpoint'), { recursive: true });
    await writeFile(join(locked, 'checkpoint/lock'), '{}');
    expect(await begin(locked)).toMatchObject({ from: null });
  });

  it('goes on where it was, and begins again where that is asked', async () => {
    const out = await runFolder();
    const begun = await begin(out);
    expect(begun.done).toBeNull();
    await checkpointAt(join(out, 'checkpoint'), 40);
    expect(await begin(out)).toMatchObject({ from: { key: 40 } });
    expect(await begin(out, false)).toMatchObject({ from: null });
    expect(await readdir(join(out, 'checkpoint'))).toEqual(['begun.json']);
  });

  it('does not go on from another’s checkpoint: the keys that differ are named and nothing is touched', async () => {
    const out = await runFolder();
    await begin(out);
    await checkpointAt(join(out, 'checkpoint'), 40);
    await expect(begin(out, true, other)).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringMatching(
        /^the unfinished run in .*run was made for something else: topK \(expected 5, found 3\)\. Name another folder with --out, or begin again with --no-resume, which gives up what it has done$/,
      ),
    });
    expect(await begin(out)).toMatchObject({ from: { key: 40 } });
  });

  it('that is done is not run again, nor replaced by another unless that is asked', async () => {
    const out = await runFolder();
    await begin(out);
    await finish(out, ['a.parquet'], { identity, exitCode: 4 });
    expect(await readdir(out)).toEqual(['a.parquet', 'run.json']);
    expect(await begin(out)).toEqual({ done: { exitCode: 4 } });
    await expect(begin(out, true, other)).rejects.toThrow(/which replaces it$/);
    expect(await begin(out, false, other)).toMatchObject({ done: null, earlier: ['a.parquet'] });
    expect(await readFile(join(out, 'a.parquet'), 'utf8')).toBe('rows');
  });

  it('by an earlier Headwater, which noted no identity, is not replaced in silence', async () => {
    const out = await runFolder();
    await begin(out);
    await finish(out, [], {});
    await expect(begin(out)).rejects.toThrow(/was made by an earlier Headwater, .*--no-resume/);
  });

  it('is not begun in a folder of somebody else’s, nor in a file', async () => {
    const out = await runFolder();
    await mkdir(out);
    await writeFile(join(out, 'thesis.tex'), '');
    for (const resume of [true, false])
      await expect(begin(out, resume)).rejects.toThrow(
        /^out: expected an empty folder or an earlier run's, got .*run with thesis\.tex and no run\.json: name another with --out$/,
      );
    await expect(begin(join(out, 'thesis.tex'))).rejects.toThrow(/^out: expected a folder, got the file .*thesis\.tex/);
  });

  it('says so where what it noted at its beginning is damaged', async () => {
    const out = await runFolder();
    await begin(out);
    const note = await readFile(join(out, 'checkpoint/begun.json'), 'utf8');
    await writeFile(join(out, 'checkpoint/begun.json'), note.replace('topK', 'topJ'));
    await expect(begin(out)).rejects.toMatchObject({
      exitCode: 5,
      message: expect.stringMatching(/begun\.json: .*damaged.*: begin again with --no-resume/),
    });
    expect(await begin(out, false)).toMatchObject({ from: null });
  });
});

it('a run that is begun again knows the tables of one that was given up before it was whole', async () => {
  const out = await runFolder();
  await begin(out);
  await writeFile(join(out, 'scores.parquet'), 'rows');
  expect(await begin(out, false, other)).toMatchObject({ from: null, earlier: ['scores.parquet'] });
  expect(await begin(out, true, other)).toMatchObject({ from: null, earlier: ['scores.parquet'] });
});

it('a run over a run.json that cannot be read is begun again only where that is asked', async () => {
  const out = await runFolder();
  await mkdir(out);
  await writeFile(join(out, 'run.json'), '{"tables": [');
  await expect(begin(out)).rejects.toMatchObject({ exitCode: 5 });
  expect(await begin(out, false)).toMatchObject({ done: null, from: null });
});

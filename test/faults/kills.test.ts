import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { readJson, smallFolder, someDocuments, writeWorld } from '../pipeline/smallWorld.ts';
import { computePid, gone, headwater, start } from '../pipeline/supervisor/programs.ts';

vi.setConfig({ testTimeout: 240_000 });

const documents = Array.from({ length: 12 }, (_, i) => ({
  ...someDocuments[i % 7],
  text: `${someDocuments[i % 7].text} Number ${i}.`,
  id: `d${i}`,
}));

/** An operator that marks each batch it is given, and takes its time: as long as the file `hold` is there. */
const slow = `import { appendFileSync, existsSync } from 'node:fs';
  export default { kind: 'map', name: 'own', takes: 'documents', gives: 'documents', lane: 'pool', open: ({ marks, hold }) => async (batch) => {
    appendFileSync(marks, '.');
    do await new Promise((resume) => setTimeout(resume, 200));
    while (existsSync(hold));
    return batch;
  } };`;
const patience = { timeout: 60_000, interval: 20 };

/** A run of twelve batches that checkpoints after each, in the whole program. */
async function slowRun() {
  const folder = await smallFolder();
  const marks = join(folder, 'marks');
  await writeFile(join(folder, 'own.js'), slow);
  const hold = join(folder, 'hold');
  const operators = [{ path: './own.js', settings: { marks, hold } }];
  const settings = { operators, slice: { documents: 1 }, checkpoint: { seconds: 0 } };
  const path = await writeWorld(folder, settings, documents);
  const out = join(folder, 'out');
  const begin = (into = out) => start(headwater, ['run', path, '--out', into]);
  /** Waits until that many batches were given to the operator. */
  const reaches = (batches: number) =>
    expect
      .poll(async () => (await readFile(marks, 'utf8').catch(() => '')).length, patience)
      .toBeGreaterThanOrEqual(batches);
  return { folder, marks, hold, out, begin, reaches };
}

/** Each table and its bytes. */
async function tablesOf(out: string): Promise<Record<string, string>> {
  const names = (await readdir(out)).filter((name) => name.endsWith('.parquet')).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(out, name), 'base64')])),
  );
}

describe('a run that is killed', () => {
  it('goes on to the same tables: first the compute process alone, then the supervisor with it', async () => {
    const { folder, marks, out, begin, reaches } = await slowRun();
    const undisturbed = join(folder, 'undisturbed');
    expect((await begin(undisturbed).ended).exitCode).toBe(0);

    await rm(marks);
    const first = begin();
    await reaches(4);
    const compute = await computePid(out);
    process.kill(compute, 'SIGKILL');
    await reaches(8);
    const next = await computePid(out, compute);
    first.kill('SIGKILL');
    await gone(next);

    const again = await begin().ended;
    expect(again.exitCode).toBe(0);
    expect(again.err).toContain('going on from the checkpoint');
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 12, scored: 12 });
    expect(await tablesOf(out)).toEqual(await tablesOf(undisturbed));
  });
});

describe('a run that is at work', () => {
  it('keeps its folder: a second one ends with exit 2 and names the owner', async () => {
    const { hold, begin, reaches } = await slowRun();
    await writeFile(hold, '');
    const first = begin();
    await reaches(1);
    const second = await begin().ended;
    await rm(hold);
    expect(second.exitCode).toBe(2);
    expect(second.err).toContain(`${first.pid}`);
    expect(second.err).not.toContain('    at ');
    expect((await first.ended).exitCode).toBe(0);
  });

  it('stops at Ctrl-C with exit 130 within ten seconds, and goes on from there', async () => {
    const { out, begin, reaches } = await slowRun();
    const first = begin();
    await reaches(4);
    const asked = performance.now();
    first.kill('SIGINT');
    expect((await first.ended).exitCode).toBe(130);
    expect(performance.now() - asked).toBeLessThan(10_000);
    const again = await begin().ended;
    expect(again.err).toContain('going on from the checkpoint');
    expect(again.exitCode).toBe(0);
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 12, scored: 12 });
  });
});

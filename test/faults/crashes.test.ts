import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { readJson, readTable, smallFolder, someDocuments, writeWorld } from '../pipeline/smallWorld.ts';
import { headwater, start } from '../pipeline/supervisor/programs.ts';

vi.setConfig({ testTimeout: 240_000 });

const documents = Array.from({ length: 12 }, (_, i) => ({
  ...someDocuments[i % 7],
  text: `${someDocuments[i % 7].text} Number ${i}.`,
  id: i === 5 ? 'poison' : `d${i}`,
}));

/** The whole program over twelve documents in three batches, with an operator that does `body` where the poison is in its batch. */
async function runWith(body: string, settings: Record<string, unknown> = {}, env: Record<string, string> = {}) {
  const folder = await smallFolder();
  await writeFile(
    join(folder, 'own.js'),
    `export default { kind: 'map', name: 'own', takes: 'documents', gives: 'documents', lane: 'pool', open: () => async (batch) => {
      if (batch.id.includes('poison')) { ${body} }
      return batch;
    } };`,
  );
  const path = await writeWorld(folder, { operators: ['./own.js'], slice: { documents: 4 }, ...settings }, documents);
  const out = join(folder, 'out');
  return { out, ended: await start(headwater, ['run', path, '--out', out], env).ended };
}

describe('a document that takes the process with it', () => {
  it('is found and set aside at the third crash, and the others are scored', async () => {
    const { out, ended } = await runWith(`process.kill(process.pid, 'SIGABRT'); await new Promise(() => {});`);
    expect(ended.exitCode).toBe(0);
    expect(ended.err.match(/SIGABRT/g)?.length).toBeGreaterThanOrEqual(3);
    expect(await readTable(out, 'skipped')).toMatchObject([
      { document_id: 'poison', row: 5n, reason: 'crash', detail: expect.stringContaining('SIGABRT') },
    ]);
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 12, scored: 11, setAside: { crash: 1 } });
    expect(await readTable(out, 'scores')).toHaveLength(22);
  });

  it('is found and set aside where it never returns, past the deadline', async () => {
    const { out, ended } = await runWith('await new Promise(() => {});', { supervisor: { batchSeconds: 5 } });
    expect(ended.exitCode).toBe(0);
    expect(await readTable(out, 'skipped')).toMatchObject([{ document_id: 'poison', reason: 'deadline' }]);
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 12, scored: 11, setAside: { deadline: 1 } });
  });

  it('is found and set aside where it takes a thread’s memory', async () => {
    const hoard = 'const hoard = []; for (;;) hoard.push(new Array(100000).fill(hoard.length + 0.5));';
    const { out, ended } = await runWith(hoard, {}, { NODE_OPTIONS: '--max-old-space-size=200' });
    expect(ended.exitCode).toBe(0);
    expect(ended.err).toMatch(/reaching memory limit: JS heap out of memory: set fewer pool\.workers/);
    expect(await readTable(out, 'skipped')).toMatchObject([{ document_id: 'poison', reason: 'crash' }]);
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 12, scored: 11 });
  });
});

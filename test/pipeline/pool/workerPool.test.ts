import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { OperatorError } from '../../../pipeline/pool/operatorError.ts';
import { StoppedError, WorkerPool } from '../../../pipeline/pool/workerPool.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';

vi.setConfig({ testTimeout: 60_000 });

const facts = { queries: [], tasks: [], topK: 1, seed: 0 };

/** A pool of two threads, and an operator whose every batch runs `body`. */
async function poolWith(body: string) {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-pool-'));
  const path = join(folder, 'own.js');
  await writeFile(
    path,
    `export default { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane: 'pool', open: () => async (batch) => { ${body} } };`,
  );
  const pool = new WorkerPool(2, facts, 512);
  onTestFinished(async () => {
    await pool.close();
    await rm(folder, { recursive: true });
  });
  const columns = { file: new Uint32Array(0), row: new Float64Array(0), id: [], source: null, setAside: [], extra: {} };
  const scores = { queries: 0, tokens: new Uint32Array(0), loss: new Float64Array(0), scores: new Float64Array(0) };
  const batch = (n: number): ScoreBatch => ({ batch: n, key: new Float64Array(0), ...columns, ...scores });
  const run = (n: number) => pool.run('fused', [{ module: pathToFileURL(path).href, settings: {} }], batch(n));
  return { pool, run };
}

describe('WorkerPool', () => {
  it('waits on closing for every task that a thread is inside of, and drops those that wait', async () => {
    const { pool, run } = await poolWith(
      `await new Promise((resume) => setTimeout(resume, batch.batch === 0 ? 50 : 400)); return batch;`,
    );
    const tasks = Array.from({ length: 6 }, (_, n) =>
      run(n).then(
        () => 'done',
        (error) => (error instanceof StoppedError ? 'stopped' : error.message),
      ),
    );
    // The first is done: one or two are at work and the others wait.
    await Promise.race(tasks);
    await pool.close();
    const endings = await Promise.all(tasks);
    expect(endings.filter((ending) => ending !== 'done' && ending !== 'stopped')).toEqual([]);
    expect(endings).toContain('done');
    expect(endings).toContain('stopped');
  });

  it('answers every task when a thread ends itself', async () => {
    const { run } = await poolWith(`process.exit(3);`);
    const endings = await Promise.all([0, 1, 2, 3].map((n) => run(n).catch((error) => error)));
    for (const error of endings) {
      expect(error.message).toContain('a worker thread ended before its task did');
      expect(error.exitCode).toBe(70);
    }
  });

  it('says which operator failed, with its own words apart', async () => {
    const { run } = await poolWith(`throw new Error('odd batch');`);
    const error = await run(3).catch((error) => error);
    expect(error).toBeInstanceOf(OperatorError);
    expect(error).toMatchObject({ operator: 'own', reason: 'odd batch', exitCode: 3 });
    expect(error.message).toMatch(
      /^operator own failed on batch 3, .*: odd batch \(scores to scores in the pool, .*own\.js\)$/,
    );
  });
});

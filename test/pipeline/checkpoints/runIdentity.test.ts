import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runIdentity } from '../../../pipeline/checkpoints/runIdentity.ts';
import { readConfiguration } from '../../../pipeline/configuration/readConfiguration.ts';
import { openInputs } from '../../../pipeline/stages/run.ts';
import { canonicalJson } from '../../../schemas/fingerprint.ts';
import { quietHooks, smallFolder, someDocuments, writeWorld } from '../smallWorld.ts';

async function identityOf(path: string, ...sets: string[]) {
  const { configuration } = await readConfiguration(path, sets);
  const { prepared, corpus } = await openInputs(configuration, quietHooks());
  return runIdentity(prepared, corpus);
}

describe('what a run is of', () => {
  it('does not depend on where it computes, nor with how many workers, nor on where its files lie', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    const same = canonicalJson(await identityOf(path));
    const sets = ['pool.workers=2', 'pool.credits=9', 'out=/somewhere', 'checkpoint.seconds=1', 'maxSkipped.share=1'];
    expect(canonicalJson(await identityOf(path, ...sets, 'corpus.onBadRow=fail'))).toBe(same);
    const moved = join(folder, 'moved');
    await mkdir(moved);
    for (const name of ['run.yaml', 'queries.jsonl', 'corpus.parquet']) await cp(join(folder, name), join(moved, name));
    expect(canonicalJson(await identityOf(join(moved, 'run.yaml')))).toBe(same);
  });

  it('depends on every key that a table depends on, and names it', async () => {
    const folder = await smallFolder();
    const path = await writeWorld(folder);
    const first = await identityOf(path);
    for (const set of ['topK=4', 'seed=1', 'projection.k=4', 'corpus.limit=5', 'slice.tokens=64', 'bm25=false']) {
      const other = await identityOf(path, set);
      const differing = Object.keys(other).filter((key) => canonicalJson(other[key]) !== canonicalJson(first[key]));
      expect(differing).toEqual([set.split('=')[0]]);
    }
    await writeWorld(folder, {}, someDocuments.slice(1));
    expect(canonicalJson((await identityOf(path))['corpus.files'])).not.toBe(canonicalJson(first['corpus.files']));
  });
});

import { describe, expect, it } from 'vitest';
import type { OpenOperator } from '../../../pipeline/operators/openOperator.ts';
import { type MapPolicy, runMaps } from '../../../pipeline/operators/runMaps.ts';
import type { DocumentBatch } from '../../../schemas/batches.ts';

const policy: MapPolicy = { onBadRow: 'setAside', files: ['a.parquet'], seconds: 60 };

const documents = (): DocumentBatch => ({
  batch: 0,
  key: Float64Array.of(0, 1, 2, 3),
  file: new Uint32Array(4),
  row: Float64Array.of(0, 1, 2, 3),
  id: ['a', 'b', 'c', 'd'],
  source: null,
  text: ['one', 'two', 'three', 'four'],
  setAside: [],
  extra: {},
});

const map = (name: string, run: (batch: DocumentBatch) => unknown): OpenOperator => ({
  name,
  takes: 'documents',
  gives: 'documents',
  run: run as OpenOperator['run'],
});

describe('runMaps', () => {
  it('runs the maps one after the other, and none at all as it is', async () => {
    const batch = documents();
    expect(await runMaps([], batch, policy)).toBe(batch);
    const upper = map('upper', (b) => ({ ...b, text: b.text.map((text) => text.toUpperCase()) }));
    const twice = map('twice', (b) => ({ ...b, text: b.text.map((text) => text + text) }));
    expect((await runMaps([twice, upper], batch, policy)).text).toEqual(['ONEONE', 'TWOTWO', 'THREETHREE', 'FOURFOUR']);
  });

  it('keeps what a map wrote into a batch before it threw from everybody', async () => {
    const batch = documents();
    const spoils = map('spoils', (b) => {
      const poisoned = b.text.includes('three');
      b.text.fill('spoiled');
      b.key.fill(99);
      if (poisoned) throw new Error('no threes');
      return { ...b, key: b.row };
    });
    const found = await runMaps([spoils], batch, policy);
    expect(batch).toEqual(documents());
    expect(found.id).toEqual(['a', 'b', 'd']);
    expect(found.setAside).toMatchObject([
      { key: 2, row: 2, id: 'c', reason: 'operator', detail: 'spoils: no threes' },
    ]);
  });

  it('names the map that gives nothing in time, and ends the run without splitting the batch', async () => {
    let runs = 0;
    const first = map('first', (b) => b);
    const stuck = map('stuck', () => {
      runs++;
      return new Promise(() => {});
    });
    await expect(runMaps([first, stuck], documents(), { ...policy, seconds: 0.05 })).rejects.toThrow(
      'operator stuck gave nothing within 0.05 s for batch 0, 4 documents',
    );
    expect(runs).toBe(1);
  });
});

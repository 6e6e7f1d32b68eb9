import { lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Credits } from '../../pipeline/credits.ts';
import { type Flow, influenceGraph } from '../../pipeline/influenceGraph.ts';
import type { DocumentBatch, ScoreBatch } from '../../schemas/batches.ts';

const running = new AbortController().signal;

function documents(batch: number): DocumentBatch {
  const key = Float64Array.of(2 * batch, 2 * batch + 1);
  const columns = { file: new Uint32Array(2), row: key, id: ['a', 'b'], source: null, setAside: [], extra: {} };
  return { batch, key, text: ['x', 'y'], ...columns };
}

function scored({ text: _, ...columns }: DocumentBatch): ScoreBatch {
  const scores = columns.key.map((key) => key * 10);
  return { ...columns, queries: 1, tokens: Uint32Array.of(1, 1), loss: Float64Array.of(1, 1), scores };
}

/** A flow of eight batches whose pool answers out of order. */
function flow(change: Partial<Flow> = {}): { flow: Flow; folded: number[]; closed: { source: boolean } } {
  const folded: number[] = [];
  const closed = { source: false };
  async function* source() {
    try {
      for (let batch = 0; batch < 8; batch++) yield documents(batch);
    } finally {
      closed.source = true;
    }
  }
  const fold = {
    name: 'keys',
    state: null,
    merge() {},
    add: (batch: ScoreBatch) => folded.push(...batch.key),
    result: () => folded,
  };
  const pool = async (slice: DocumentBatch) => {
    for (let turn = 0; turn < (7 * slice.batch) % 5; turn++) await new Promise(setImmediate);
    return scored(slice);
  };
  const policy = { onBadRow: 'setAside' as const, files: ['a.parquet'], seconds: 60 };
  const parts = { documentMaps: [], scoreMaps: [], policy, observers: [], folds: [fold], sink: async () => {} };
  const graph = { documents: source(), firstBatch: 0, pool, ...parts, credits: new Credits(4), signal: running };
  return { flow: { ...graph, ...change }, folded, closed };
}

describe('influenceGraph', () => {
  it.each([1, 2, 4, 100])('folds in reading order with %i credits', async (credits) => {
    const { flow: graph, folded } = flow({ credits: new Credits(credits) });
    const passed = await lastValueFrom(influenceGraph(graph).pipe(toArray()));
    expect(passed.map(({ batch }) => batch)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(folded).toEqual(Array.from({ length: 16 }, (_, key) => key));
  });

  it('keeps what is not finite from the folds, and counts it as set aside', async () => {
    const pool = async (slice: DocumentBatch) => {
      const batch = scored(slice);
      if (slice.batch === 3) batch.scores[1] = Number.NaN;
      return batch;
    };
    const { flow: graph, folded } = flow({ pool });
    const passed = await lastValueFrom(influenceGraph(graph).pipe(toArray()));
    expect(folded).not.toContain(7);
    expect(folded).toHaveLength(15);
    expect(passed[3].setAside).toMatchObject([{ key: 7, reason: 'not finite' }]);
  });

  it('fails, naming the document, where what is not finite is to end the run', async () => {
    const pool = async (slice: DocumentBatch) => {
      const batch = scored(slice);
      if (slice.batch === 3) batch.scores[1] = Number.NaN;
      return batch;
    };
    const policy = { onBadRow: 'fail' as const, files: ['a.parquet'], seconds: 60 };
    await expect(lastValueFrom(influenceGraph(flow({ pool, policy }).flow))).rejects.toThrow(
      /document b \(row 7 of a\.parquet\): expected a finite loss and finite scores, got score NaN on query 0/,
    );
  });

  it('fails with the error of a task and closes its source', async () => {
    const pool = async (slice: DocumentBatch) => {
      if (slice.batch === 2) throw new Error('the pool broke');
      return scored(slice);
    };
    const { flow: graph, closed } = flow({ pool, credits: new Credits(1) });
    await expect(lastValueFrom(influenceGraph(graph))).rejects.toThrow('the pool broke');
    await new Promise(setImmediate);
    expect(closed.source).toBe(true);
  });

  it('lets observers look on at copies', async () => {
    const seen: number[] = [];
    const { flow: graph, folded } = flow({
      observers: [
        (batches) => {
          batches.subscribe((batch) => {
            seen.push(...batch.key);
            batch.key.fill(-1);
          });
          return batches;
        },
      ],
    });
    await lastValueFrom(influenceGraph(graph));
    expect(seen).toEqual(folded);
  });
});

import { describe, expect, it } from 'vitest';
import { StoppedError, ThreadDiedError } from '../../../../pipeline/pool/workerPool.ts';
import { carefully, careUntil } from '../../../../pipeline/stages/run/carefully.ts';
import { type Caution, noCaution, type Supervision } from '../../../../pipeline/supervisor/supervision.ts';
import type { DocumentBatch, ScoreBatch } from '../../../../schemas/batches.ts';

function batchOf(...keys: number[]): DocumentBatch {
  const key = Float64Array.from(keys);
  const columns = { file: new Uint32Array(key.length), row: key, source: null, setAside: [], extra: {} };
  return { batch: 7, key, id: keys.map((k) => `d${k}`), text: keys.map((k) => `text ${k}`), ...columns };
}

function scored({ text: _, ...columns }: DocumentBatch): ScoreBatch {
  const zeros = new Float64Array(columns.key.length);
  return { ...columns, queries: 1, tokens: new Uint32Array(columns.key.length), loss: zeros, scores: zeros };
}

/** What the pool was given and what the supervisor was told, in order. */
function watched(caution: Caution, run = scored) {
  const log: string[] = [];
  const supervision: Supervision = {
    caution,
    begin: ({ keyStart, keyEnd }) => log.push(`begin ${keyStart}-${keyEnd}`),
    end: ({ keyStart, keyEnd }) => log.push(`end ${keyStart}-${keyEnd}`),
    tokens() {},
    checkpointed() {},
  };
  const pool = async (batch: DocumentBatch) => {
    log.push(`run ${batch.id.join(' ')}`);
    return run(batch);
  };
  const give = (onBadRow: 'setAside' | 'fail' = 'setAside') =>
    carefully(pool, () => ({ keyStart: 10, keyEnd: 14 }), supervision, { onBadRow, files: ['a.parquet'] });
  return { log, give };
}

const suspect = (apart: boolean): Caution => ({ suspects: [{ keyStart: 10, keyEnd: 14, apart }], condemned: [] });
const condemned: Caution = {
  suspects: [],
  condemned: [{ key: 12, reason: 'crash', detail: 'the compute process ended by SIGABRT on it, three times' }],
};

describe('a batch', () => {
  it('is told of before and after, and run once', async () => {
    const { log, give } = watched(noCaution);
    await give()(batchOf(10, 11, 12));
    expect(log).toEqual(['begin 10-14', 'run d10 d11 d12', 'end 10-14']);
  });

  it('on which the process died alone is tried document by document, and then whole', async () => {
    const { log, give } = watched(suspect(true));
    const { key } = await give()(batchOf(10, 12));
    expect([...key]).toEqual([10, 12]);
    const apart = ['begin 10-11', 'run d10', 'end 10-11', 'begin 12-13', 'run d12', 'end 12-13'];
    expect(log).toEqual([...apart, 'begin 10-14', 'run d10 d12', 'end 10-14']);
  });

  it('that was only in flight at a death is not tried apart', async () => {
    const { log, give } = watched(suspect(false));
    await give()(batchOf(10, 12));
    expect(log).toEqual(['begin 10-14', 'run d10 d12', 'end 10-14']);
  });

  it('leaves condemned documents out, with the reason, in reading order', async () => {
    const { log, give } = watched(condemned);
    const { key, setAside } = await give()(batchOf(10, 12, 13));
    expect([...key]).toEqual([10, 13]);
    expect(setAside).toEqual([{ ...condemned.condemned[0], file: 0, row: 12, id: 'd12' }]);
    expect(log).toEqual(['begin 10-14', 'run d10 d13', 'end 10-14']);
  });

  it('with a condemned document ends the run where bad rows are to', async () => {
    await expect(watched(condemned).give('fail')(batchOf(10, 12))).rejects.toThrow(
      'document d12 (row 12 of a.parquet): the compute process ended by SIGABRT on it, three times: leave the document out, or set corpus.onBadRow: setAside',
    );
  });

  it('is not in flight any more once it failed, and what its documents throw on their own is left to the batch', async () => {
    const { log, give } = watched(suspect(true), (batch) => {
      if (batch.id.includes('d12')) throw new Error('d12 again');
      return scored(batch);
    });
    await expect(give()(batchOf(10, 12))).rejects.toThrow('d12 again');
    expect(log.slice(-3)).toEqual(['begin 10-14', 'run d10 d12', 'end 10-14']);
  });

  it('stays in flight where a thread died on it: the process ends of that', async () => {
    const died = new ThreadDiedError('a worker thread ended before its task did', 70);
    const { log, give } = watched(suspect(true), () => {
      throw died;
    });
    await expect(give()(batchOf(10, 12))).rejects.toBe(died);
    expect(log).toEqual(['begin 10-11', 'run d10']);
  });

  it('is given up where the run is asked to stop meanwhile', async () => {
    const { log, give } = watched(suspect(true), () => {
      throw new StoppedError('stopped', 130);
    });
    await expect(give()(batchOf(10, 12))).rejects.toThrow(StoppedError);
    expect(log).toEqual(['begin 10-11', 'run d10', 'end 10-11']);
  });
});

it('care ends behind the last suspect', () => {
  expect(careUntil(noCaution)).toBe(0);
  expect(
    careUntil({ suspects: [...suspect(true).suspects, { keyStart: 20, keyEnd: 31, apart: false }], condemned: [] }),
  ).toBe(31);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OperatorError } from '../../../pipeline/pool/operatorError.ts';
import { type PoisonPolicy, withoutPoison } from '../../../pipeline/pool/withoutPoison.ts';
import { StoppedError } from '../../../pipeline/pool/workerPool.ts';
import type { DocumentBatch, ScoreBatch, SetAside } from '../../../schemas/batches.ts';
import { HeadwaterError, IntegrityError, ResourceError } from '../../../schemas/errors.ts';

const policy: PoisonPolicy = { onBadRow: 'setAside', files: ['a.parquet', 'b.parquet'] };

/** B documents from row 100 on; `earlier` is one that reading set aside. */
function documents(B: number): DocumentBatch {
  const key = Float64Array.from({ length: B }, (_, b) => 100 + 2 * b);
  const earlier: SetAside = { key: 101, file: 1, row: 101, id: 'empty', reason: 'empty text', detail: '' };
  return {
    batch: 7,
    key,
    file: new Uint32Array(B).fill(1),
    row: key.slice(),
    id: Array.from(key, (k) => `d${k}`),
    source: null,
    text: Array.from(key, (k) => `text ${k}`),
    setAside: B > 0 ? [earlier] : [],
    extra: { length: key.slice() },
  };
}

/** Scores that tell which documents they were computed with: the second column is the sum of the batch's keys. */
function scored({ text, ...columns }: DocumentBatch): ScoreBatch {
  const sum = columns.key.reduce((a, b) => a + b, 0);
  const scores = Float64Array.from({ length: 2 * text.length }, (_, i) => (i % 2 ? sum : columns.key[i / 2]));
  const { length } = text;
  return { ...columns, queries: 2, tokens: new Uint32Array(length), loss: new Float64Array(length), scores };
}

const failed = (reason: string, exitCode = 3) => new OperatorError(`operator own: ${reason}`, exitCode, 'own', reason);

/** A chain that fails where a poisoned document is in its batch; `runs` counts how often it was run. */
function chain(poison: ReadonlySet<number>) {
  const seen: number[][] = [];
  const run = async (batch: DocumentBatch): Promise<ScoreBatch> => {
    seen.push([...batch.key]);
    expect(batch.text).toEqual(Array.from(batch.key, (k) => `text ${k}`));
    const found = batch.key.find((key) => poison.has(key));
    if (found !== undefined) throw failed(`bad ${found}`);
    return scored(batch);
  };
  return { run, seen };
}

describe('withoutPoison', () => {
  it('sets exactly the poisoned documents aside and scores the rest as a batch without them, in few runs', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 70 }), async (isPoison) => {
        const batch = documents(isPoison.length);
        const rows = isPoison.flatMap((poison, b) => (poison ? [b] : []));
        fc.pre(rows.length < isPoison.length || isPoison.length === 1);
        const { run, seen } = chain(new Set(rows.map((b) => batch.key[b])));
        const found = await withoutPoison(batch, run, policy);
        // The slow way: documents left out one by one before anything runs.
        const kept = isPoison.flatMap((poison, b) => (poison ? [] : [b]));
        const without = { ...documents(0), key: batch.key.filter((_, b) => !isPoison[b]) };
        expect(found.scores).toEqual(scored({ ...without, text: kept.map((b) => batch.text[b]) }).scores);
        expect([...found.key]).toEqual(kept.map((b) => batch.key[b]));
        expect([...found.extra.length]).toEqual([...found.key]);
        const aside = rows.map((b) => [batch.key[b], 'operator', `own: bad ${batch.key[b]}`]);
        const expected = [[101, 'empty text', ''], ...aside].sort((a, b) => Number(a[0]) - Number(b[0]));
        expect(found.setAside.map(({ key, reason, detail }) => [key, reason, detail])).toEqual(expected);
        expect(seen.length).toBeLessThanOrEqual(2 * rows.length * Math.ceil(Math.log2(isPoison.length)) + 2);
      }),
    ));

  it('runs a batch without poison once, and hands on what comes of it', async () => {
    const { run, seen } = chain(new Set());
    expect((await withoutPoison(documents(5), run, policy)).setAside).toMatchObject([{ id: 'empty' }]);
    expect(seen).toHaveLength(1);
  });

  it('splits batches of scores too, each document with its own row', async () => {
    const run = async (batch: ScoreBatch) => {
      if (batch.key.includes(104)) throw failed('bad');
      return batch;
    };
    const found = await withoutPoison(scored(documents(4)), run, policy);
    expect([...found.scores]).toEqual([100, 412, 102, 412, 106, 412]);
    expect(found.setAside.map(({ id }) => id)).toEqual(['empty', 'd104']);
  });

  it('ends with the error of the whole batch where every document of several fails', async () => {
    const { run } = chain(new Set([100, 102, 104]));
    await expect(withoutPoison(documents(3), run, policy)).rejects.toThrow('operator own: bad 100');
  });

  it('sets the one document of a batch aside without running it again', async () => {
    const { run, seen } = chain(new Set([100]));
    expect((await withoutPoison(documents(1), run, policy)).setAside).toHaveLength(2);
    expect(seen).toEqual([[100], []]);
  });

  it('ends with the error of the whole batch where documents fail only together', async () => {
    const run = async (batch: DocumentBatch) => {
      if (batch.key.length > 1) throw failed(`${batch.key.length} at once`);
      return scored(batch);
    };
    await expect(withoutPoison(documents(6), run, policy)).rejects.toThrow('6 at once');
  });

  it.each([
    new StoppedError('stopped', 130),
    new HeadwaterError('a worker thread ended before its task did', 70),
    Object.assign(new Error('heap'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }),
    new ResourceError('disk full'),
    new IntegrityError('another cache'),
    failed('std::bad_alloc', 6),
    failed('another projection', 5),
    new Error('a fault of ours'),
  ])('lets what no document brings about through untouched: $message', async (error) => {
    let runs = 0;
    const run = async (): Promise<ScoreBatch> => {
      runs++;
      throw error;
    };
    await expect(withoutPoison(documents(4), run, policy)).rejects.toBe(error);
    expect(runs).toBe(1);
  });

  it('lets a stop through that comes while it searches', async () => {
    const stopped = new StoppedError('stopped', 130);
    const run = async (batch: DocumentBatch): Promise<ScoreBatch> => {
      throw batch.key.length === 4 ? failed('bad') : stopped;
    };
    await expect(withoutPoison(documents(4), run, policy)).rejects.toBe(stopped);
  });

  it('ends the run under onBadRow: fail with the document’s id, row and file', async () => {
    const { run } = chain(new Set([102]));
    await expect(withoutPoison(documents(4), run, { ...policy, onBadRow: 'fail' })).rejects.toThrow(
      'operator own failed on document d102 (row 102 of b.parquet): bad 102: mend the operator, leave the document out, or set ' +
        'corpus.onBadRow: setAside',
    );
  });

  it('gives the operator’s words on one printable line of at most 300 characters', async () => {
    const run = async (batch: DocumentBatch) => {
      if (batch.key.includes(102)) throw failed(`line one\n\u001b[31mred\u0007${'x'.repeat(1000)}`);
      return scored(batch);
    };
    const { setAside } = await withoutPoison(documents(3), run, policy);
    const [{ detail }] = setAside.filter(({ reason }) => reason === 'operator');
    expect(detail).toMatch(/^own: line one \\u\{1b\}\[31mred\\u\{7\}x+…$/);
    expect(detail).toHaveLength(300);
  });
});

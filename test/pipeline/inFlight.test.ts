import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inFlight, startedAhead } from '../../pipeline/inFlight.ts';

/** Work that is done when its turn is called. */
function gates(count: number) {
  const open: (() => void)[] = [];
  const waits = Array.from({ length: count }, (_, i) => new Promise<void>((resolve) => (open[i] = resolve)));
  return { wait: (i: number) => waits[i], open };
}

const turns = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('inFlight', () => {
  it('does every item once, starts them in order and never has more at work than the limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 6 }),
        async (delays, limit) => {
          const started: number[] = [];
          let [now, most] = [0, 0];
          await inFlight(delays.keys(), limit, async (item, index) => {
            expect(index).toBe(item);
            started.push(item);
            most = Math.max(most, ++now);
            for (let i = 0; i < delays[item]; i++) await turns();
            now--;
          });
          expect(started).toEqual([...delays.keys()]);
          expect(now).toBe(0);
          expect(most).toBe(Math.min(limit, delays.length));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('takes the next item only once there is room', async () => {
    const { wait, open } = gates(5);
    let taken = 0;
    async function* items() {
      for (let i = 0; i < 5; i++) {
        taken++;
        yield i;
      }
    }
    const all = inFlight(items(), 2, wait);
    await turns();
    expect(taken).toBeLessThanOrEqual(3);
    for (const release of open) release();
    await all;
    expect(taken).toBe(5);
  });

  it('starts nothing after a failure, waits for what is at work, and throws the first failure', async () => {
    const { wait, open } = gates(4);
    const started: number[] = [];
    let ended = 0;
    const all = inFlight([0, 1, 2, 3], 2, async (item) => {
      started.push(item);
      await wait(item);
      ended++;
      throw new Error(`item ${item} failed`);
    });
    const outcome = all.catch((error: Error) => error.message);
    await turns();
    open[1]();
    await turns();
    expect(ended).toBe(1);
    open[0]();
    expect(await outcome).toBe('item 1 failed');
    expect(started).toEqual([0, 1]);
    expect(ended).toBe(2);
  });

  it('throws what the items’ source throws', async () => {
    async function* broken() {
      yield 1;
      throw new Error('no more');
    }
    await expect(inFlight(broken(), 2, async () => {})).rejects.toThrow('no more');
  });
});

describe('startedAhead', () => {
  it('starts as many as the limit when the first is taken, and one more for each that follows', async () => {
    const started: number[] = [];
    const takes = startedAhead([10, 20, 30, 40], 2, async (item) => {
      started.push(item);
      return item + 1;
    });
    expect(started).toEqual([]);
    expect(await takes[0]()).toBe(11);
    expect(started).toEqual([10, 20]);
    expect(await takes[1]()).toBe(21);
    expect(started).toEqual([10, 20, 30]);
    expect([await takes[2](), await takes[3]()]).toEqual([31, 41]);
    expect(started).toEqual([10, 20, 30, 40]);
  });

  it('tells whoever takes a result of its failure, and nobody else', async () => {
    const takes = startedAhead([0, 1], 2, async (item) => {
      if (item === 1) throw new Error('item 1 failed');
      return item;
    });
    expect(await takes[0]()).toBe(0);
    await turns();
    await expect(takes[1]()).rejects.toThrow('item 1 failed');
  });
});

import { concatMap, from, lastValueFrom, mergeMap, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { CarefulCredits, Credits, paced } from '../../pipeline/credits.ts';

async function* numbers(count: number, pulled: number[]) {
  for (let i = 0; i < count; i++) {
    pulled.push(i);
    yield i;
  }
}

const running = new AbortController().signal;

describe('paced', () => {
  it('never has more items in flight than there are credits, however slow the consumer', async () => {
    const credits = new Credits(4);
    const pulled: number[] = [];
    let finished = 0;
    let most = 0;
    const flow = from(paced(numbers(50, pulled), credits, running)).pipe(
      mergeMap((i) => timer(i % 3).pipe(concatMap(async () => i))),
      concatMap(async (i) => {
        most = Math.max(most, pulled.length - finished);
        finished++;
        credits.give();
        return i;
      }),
    );
    await lastValueFrom(flow);
    expect(pulled.length).toBe(50);
    expect(most).toBeLessThanOrEqual(4);
  });

  it('pulls nothing more once the signal is aborted', async () => {
    const pulled: number[] = [];
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const i of paced(numbers(10, pulled), new Credits(10), stop.signal)) {
      seen.push(i);
      if (i === 2) stop.abort();
    }
    expect(seen).toEqual([0, 1, 2]);
    expect(pulled).toEqual([0, 1, 2]);
  });

  it('closes its source when the flow is over while it waits for a credit', async () => {
    const credits = new Credits(1);
    let closed = false;
    async function* source() {
      try {
        yield 1;
        yield 2;
      } finally {
        closed = true;
      }
    }
    const items = paced(source(), credits, running);
    expect(await items.next()).toEqual({ done: false, value: 1 });
    const waiting = items.next();
    credits.close();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(closed).toBe(true);
  });
});

describe('careful credits', () => {
  /** How many credits can be taken without one being given back. */
  async function free(credits: Credits): Promise<number> {
    let taken = 0;
    const take = async (): Promise<void> => {
      if (await credits.take()) taken++;
    };
    for (let i = 0; i < 10; i++) void take();
    await new Promise(setImmediate);
    return taken;
  }

  it('let one batch at a time into the flow until what is suspected has passed, then all', async () => {
    const credits = new CarefulCredits(4, 300, 100);
    expect(await free(credits)).toBe(1);
    const passing = new CarefulCredits(4, 300, 100);
    passing.passed(299);
    passing.passed(300);
    passing.passed(400);
    expect(await free(passing)).toBe(4);
  });

  it('are all there where nothing is suspected, or it lies behind', async () => {
    expect(await free(new CarefulCredits(4, 0, 0))).toBe(4);
    expect(await free(new CarefulCredits(4, 300, 300))).toBe(4);
  });
});

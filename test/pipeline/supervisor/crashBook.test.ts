import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  afterCheckpoint,
  afterDeath,
  type Crashes,
  type Death,
  isSpent,
  noCrashes,
  openCrashBook,
} from '../../../pipeline/supervisor/crashBook.ts';
import type { KeyRange } from '../../../pipeline/supervisor/supervision.ts';
import type { Configuration } from '../../../schemas/configuration.ts';

const range = (keyStart: number, keyEnd: number): KeyRange => ({ keyStart, keyEnd });

function death(inFlight: KeyRange[], settings: Partial<Death> = {}): Death {
  return { inFlight, how: 'ended by SIGABRT', reason: 'crash', blames: true, ...settings };
}

const learned = (deaths: Death[], from: Crashes = noCrashes): Crashes => deaths.reduce(afterDeath, from);

describe('afterDeath', () => {
  it('suspects every batch in flight at the first death', () => {
    const { caution } = learned([death([range(20, 30), range(0, 10), range(10, 20)])]);
    expect(caution.suspects).toEqual([
      { ...range(0, 10), apart: false },
      { ...range(10, 20), apart: false },
      { ...range(20, 30), apart: false },
    ]);
    expect(caution.condemned).toEqual([]);
  });

  it('has the documents of a batch tried apart once it died on that batch alone, and condemns the one it then dies on', () => {
    const twice = learned([death([range(0, 10), range(10, 20)]), death([range(10, 20)])]);
    expect(twice.caution).toEqual({
      suspects: [
        { ...range(0, 10), apart: false },
        { ...range(10, 20), apart: true },
      ],
      condemned: [],
    });
    const thrice = learned([death([range(13, 14)])], twice);
    expect(thrice.caution.condemned).toEqual([
      { key: 13, reason: 'crash', detail: 'the compute process ended by SIGABRT on it, three times' },
    ]);
    expect(thrice.caution.suspects).toEqual(twice.caution.suspects); // there may be another in the batch
    expect(thrice).toMatchObject({ deaths: 3, fruitless: 0 });
  });

  it('condemns a batch of one document at its third death, with one in flight at a time from the beginning', () => {
    const alone = death([range(5, 6)]);
    expect(learned([alone, alone]).caution).toEqual({ suspects: [{ ...range(5, 6), apart: true }], condemned: [] });
    expect(learned([alone, alone, alone]).caution.condemned.map(({ key }) => key)).toEqual([5]);
  });

  it('gives deadline as the reason where that was why it was ended', () => {
    const alone = death([range(5, 6)], { how: 'was ended after 9 s without progress', reason: 'deadline' });
    expect(learned([alone, alone, alone]).caution.condemned).toEqual([
      {
        key: 5,
        reason: 'deadline',
        detail: 'the compute process was ended after 9 s without progress on it, three times',
      },
    ]);
  });

  it('blames no document for a death from outside, nor one with nothing in flight', () => {
    const outside = death([range(0, 10)], { blames: false });
    expect(learned([outside, outside, outside])).toEqual({ ...noCrashes, deaths: 3, fruitless: 3 });
    const suspected = learned([death([range(0, 10)])]);
    expect(learned([outside, death([])], suspected).caution).toEqual(suspected.caution);
  });

  it('does not try apart what died beside others', () => {
    const both = death([range(0, 10), range(10, 20)]);
    expect(learned([both, both, both]).caution.suspects.map(({ apart }) => apart)).toEqual([false, false]);
  });
});

describe('afterCheckpoint', () => {
  it('forgets what lies behind the checkpoint, and keeps what lies across it or after it', () => {
    const alone = death([range(3, 4)]);
    const crashes = learned([death([range(0, 10), range(10, 20)]), alone, alone, alone]);
    expect(crashes.caution.condemned.map(({ key }) => key)).toEqual([3]);
    expect(afterCheckpoint(crashes, 3).caution).toEqual(crashes.caution);
    const passed = afterCheckpoint(crashes, 10);
    expect(passed.caution).toEqual({ suspects: [{ ...range(10, 20), apart: false }], condemned: [] });
    expect(passed.fruitless).toBe(0);
  });

  it('is no progress where the checkpoint did not move on', () => {
    const crashes = learned([death([])], afterCheckpoint(noCrashes, 100));
    expect(afterCheckpoint(crashes, 100).fruitless).toBe(1);
    expect(afterCheckpoint(crashes, 101).fruitless).toBe(0);
  });
});

describe('isSpent', () => {
  it('ends a loop of six deaths without progress, and any number of deaths beyond the budget', () => {
    const outside = death([], { blames: false });
    expect(isSpent(learned(Array(5).fill(outside)), 30)).toBe(false);
    expect(isSpent(learned(Array(6).fill(outside)), 30)).toBe(true);
    const moving = (n: number) =>
      Array.from({ length: n }, (_, i) => i + 1).reduce(
        (crashes, key) => afterDeath(afterCheckpoint(crashes, key), outside),
        noCrashes,
      );
    expect(isSpent(moving(30), 30)).toBe(false);
    expect(isSpent(moving(31), 30)).toBe(true);
    expect(isSpent(moving(1), 0)).toBe(true);
  });
});

describe('any sequence of deaths and checkpoints', () => {
  const ranges = fc
    .tuple(fc.nat(40), fc.nat(8))
    .map(([keyStart, length]): KeyRange => ({ keyStart, keyEnd: keyStart + length }));
  const events = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ inFlight: fc.array(ranges, { maxLength: 4 }), blames: fc.boolean() }) },
      { weight: 1, arbitrary: fc.nat(50) },
    ),
    { maxLength: 60 },
  );

  it('condemns no document but one that was alone in flight at a death, and was in flight at two before', () => {
    fc.assert(
      fc.property(events, (sequence) => {
        let crashes = noCrashes;
        const seen: Death[] = [];
        for (const event of sequence) {
          if (typeof event === 'number') crashes = afterCheckpoint(crashes, event);
          else {
            seen.push(death(event.inFlight, { blames: event.blames }));
            crashes = afterDeath(crashes, seen.at(-1)!);
          }
          for (const { key } of crashes.caution.condemned) {
            const held = seen.filter(({ blames, inFlight }) => blames && inFlight.some((one) => holds(one, key)));
            expect(held.length).toBeGreaterThanOrEqual(3);
            expect(held.some(({ inFlight }) => isAlone(inFlight, key))).toBe(true);
          }
        }
      }),
    );
  });

  it('spends the budget in the end', () => {
    fc.assert(
      fc.property(events, fc.nat(40), (sequence, maxCrashes) => {
        let crashes = noCrashes;
        for (const event of sequence)
          crashes =
            typeof event === 'number'
              ? afterCheckpoint(crashes, event)
              : afterDeath(crashes, death(event.inFlight, { blames: event.blames }));
        const { deaths } = crashes;
        expect(isSpent(crashes, maxCrashes) || deaths <= maxCrashes).toBe(true);
        for (let more = 0; more <= 6; more++) crashes = afterDeath(crashes, death([]));
        expect(isSpent(crashes, maxCrashes)).toBe(true);
      }),
    );
  });

  const holds = ({ keyStart, keyEnd }: KeyRange, key: number): boolean => keyStart <= key && key < keyEnd;

  function isAlone(inFlight: KeyRange[], key: number): boolean {
    const working = inFlight.filter(({ keyStart, keyEnd }) => keyStart < keyEnd);
    return working.length === 1 && holds(working[0], key) && working[0].keyEnd - working[0].keyStart === 1;
  }
});

describe('openCrashBook', () => {
  const configuration = { seed: 0, pool: { workers: 1 } } as unknown as Configuration;
  const alone = death([range(5, 6)]);

  async function bookPath(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'headwater-book-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    return join(folder, 'checkpoint', 'crashes.json');
  }

  async function condemning(path: string) {
    const book = await openCrashBook(path, configuration, true);
    for (let times = 0; times < 3; times++) await book.died(alone);
    return book;
  }

  it('knows what an earlier supervisor learned, and counts deaths anew', async () => {
    const path = await bookPath();
    const { crashes } = await condemning(path);
    const more = { ...configuration, pool: { workers: 9 } } as Configuration;
    expect((await openCrashBook(path, more, true)).crashes).toEqual({ ...noCrashes, caution: crashes.caution });
  });

  it('has nothing to do with a run of another configuration, nor with one that is begun again', async () => {
    const path = await bookPath();
    await condemning(path);
    expect((await openCrashBook(path, { ...configuration, seed: 1 }, true)).crashes).toEqual(noCrashes);
    expect((await openCrashBook(path, configuration, false)).crashes).toEqual(noCrashes);
  });

  it('begins anew where the file is damaged', async () => {
    const path = await bookPath();
    await condemning(path);
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 40));
    expect((await openCrashBook(path, configuration, true)).crashes).toEqual(noCrashes);
  });

  it('writes what a checkpoint lets it forget, and goes away when the run is whole', async () => {
    const path = await bookPath();
    const book = await condemning(path);
    book.checkpointed(6);
    await book.close(true);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ suspects: [], condemned: [] });
    await book.close(false);
    await expect(readFile(path)).rejects.toThrow('ENOENT');
  });
});

import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Journal, type JournalEntry, journalFault, readJournal } from '../../../pipeline/checkpoints/journal.ts';

const entry = (key: number): JournalEntry => ({
  setAside: [{ key, file: 0, row: key, id: `d${key}`, reason: 'empty text', detail: '' }],
  lost: [],
  scores: null,
});

async function journalPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-journal-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'journal.bin');
}

async function readAll(path: string, bytes: number): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const one of readJournal(path, bytes)) entries.push(one);
  return entries;
}

async function written(path: string, keys: number[], from = 0): Promise<number> {
  const journal = await Journal.open(path, from);
  for (const key of keys) void journal.append(entry(key)); // not awaited: the order is that of the calls
  await journal.flush();
  await journal.close();
  return journal.bytes;
}

describe('a journal', () => {
  it('gives back what was appended, in order, however often it is asked', async () => {
    const path = await journalPath();
    const bytes = await written(path, [1, 2, 3]);
    expect((await stat(path)).size).toBe(bytes);
    for (let time = 0; time < 2; time++) expect(await readAll(path, bytes)).toEqual([1, 2, 3].map(entry));
  });

  it('is cut off where the checkpoint has its end, and goes on there', async () => {
    const path = await journalPath();
    const checkpoint = await written(path, [1]);
    await written(path, [2, 3], checkpoint);
    await appendFile(path, 'half an ent');
    const bytes = await written(path, [4], checkpoint);
    expect(await readAll(path, bytes)).toEqual([1, 4].map(entry));
    expect((await stat(path)).size).toBe(bytes);
  });

  it('is empty where nothing was appended, whether or not the file is there', async () => {
    const path = await journalPath();
    expect(await readAll(path, 0)).toEqual([]);
    expect(await written(path, [])).toBe(0);
  });

  it('finds a flipped bit wherever it is, and a file that is short or gone', async () => {
    const path = await journalPath();
    const bytes = await written(path, [1, 2]);
    const whole = await readFile(path);
    for (let bit = 0; bit < 8 * bytes; bit += 5) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      await writeFile(path, flipped);
      expect(await journalFault(path, bytes), `bit ${bit}`).toMatch(
        /^the journal .*journal\.bin is damaged at byte \d+: (its checksum does not match|it reaches past byte \d+)$/,
      );
    }
    await writeFile(path, whole);
    expect(await journalFault(path, bytes)).toBeNull();
    await truncate(path, bytes - 1);
    expect(await journalFault(path, bytes)).toMatch(/damaged at byte \d+: the file ends at byte \d+$/);
    await rm(path);
    expect(await journalFault(path, bytes)).toMatch(/^the journal .* cannot be read: ENOENT/);
  });
});

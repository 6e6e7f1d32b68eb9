import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { unsupervised } from '../../pipeline/supervisor/supervision.ts';
import { IntegrityError } from '../../schemas/errors.ts';
import { craft, fixture } from '../operators/documents/corpora.ts';
import { command, quietHooks, readJson, readTable, run, smallFolder, writeWorld } from '../pipeline/smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });

/** The path of a configuration whose corpus is the given files. */
async function worldOf(files: Record<string, Uint8Array>, corpus: object = {}, settings: object = {}): Promise<string> {
  const folder = await smallFolder();
  mkdirSync(join(folder, 'data'));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, 'data', name), bytes);
  return writeWorld(folder, { corpus: { files: ['data'], ...corpus }, ...settings });
}

/** A fixture with one bit of the given text turned. */
function flipped(name: string, text: string): Buffer {
  const bytes = fixture(name);
  bytes[bytes.indexOf(text)] ^= 1;
  return bytes;
}

const billions = { num_rows: 2 ** 31 };
const cannotBeRead: [string, Uint8Array, string][] = [
  ['cut short', fixture('none').subarray(0, 9000), 'at byte 8996 does not end as Parquet: it was cut short'],
  ['empty', Buffer.alloc(0), 'it is empty (0 bytes)'],
  ['no Parquet', Buffer.from('{"text": "a line"}\n'), 'it is not Parquet: its first bytes are "{\\"te"'],
  [
    'of 2^31 rows',
    craft({ footer: billions, rowGroup: billions, chunk: { num_values: 2 ** 31 } }),
    'promises 2147483648 rows in',
  ],
  ['of a page of 100 GB', craft({ chunk: { total_compressed_size: 1e11 } }), 'lies at bytes 4 to 100000000004'],
  [
    'compressed with LZO',
    craft({ chunk: { codec: 3 } }),
    'is compressed with LZO; this reader knows UNCOMPRESSED, SNAPPY',
  ],
  ['encrypted', fixture('encrypted'), 'its footer is encrypted; decrypt it first'],
  ['encrypted in its text', fixture('encrypted-column'), 'column "text" is encrypted; decrypt it first'],
  ['without the column', fixture('content'), 'the nearest name is "content"'],
  ['of lists', fixture('text-list'), 'must hold strings, it is a list; its columns: id (int64)'],
];

describe('a corpus file', () => {
  it.each(cannotBeRead)(
    'that is %s ends the run before anything is computed, with its name and reason',
    async (_, bytes, reason) => {
      const start = performance.now();
      const failed = await command(
        'run',
        await worldOf({ 'good.parquet': fixture('one-page'), 'bad.parquet': bytes }),
        '--quiet',
      );
      expect(failed.stderr).toContain('data/bad.parquet: ');
      expect(failed.stderr).toContain(reason);
      expect(failed.exitCode).toBe(3);
      expect(performance.now() - start).toBeLessThan(5000);
    },
  );

  it('that cannot be read is passed over and said where asked', async () => {
    const files = Object.fromEntries(cannotBeRead.map(([, bytes], i) => [`bad${i}.parquet`, bytes]));
    const path = await worldOf({ ...files, 'good.parquet': fixture('one-page') }, { onBadFile: 'skip' });
    const { out, summary } = await run(path);
    expect(summary).toContain('20 read = 20 scored + 0 set aside');
    expect(summary).toContain('passed over data/bad1.parquet: it is empty (0 bytes)');
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 20, scored: 20 });
  });

  it('with a flipped bit under a checksum ends the run, or loses the page and says so', async () => {
    const bytes = flipped('small-pages', 'Document 23:');
    const failed = await command('run', await worldOf({ 'a.parquet': bytes }, { limit: 40 }), '--quiet');
    expect(failed.stderr).toContain('rows 20 to 29 of data/a.parquet: row group 0, column "text", page at byte');
    expect(failed.stderr).toContain('its checksum (CRC) does not match its bytes');
    expect(failed.exitCode).toBe(3);
    const { out } = await run(await worldOf({ 'a.parquet': bytes }, { limit: 40, onBadFile: 'skip' }));
    const { counts } = await readJson(out, 'run.json');
    expect(counts).toMatchObject({ read: 40, scored: 30, setAside: { unreadable: 10 } });
    const skipped = await readTable(out, 'skipped');
    expect(skipped.map(({ row, rows, reason }) => [Number(row), Number(rows), reason])).toEqual([
      [20, 10, 'unreadable'],
    ]);
    expect(skipped[0].detail).toContain('its checksum (CRC) does not match its bytes');
  });

  it('whose page unfolds to more than it promises is found, and takes no memory', async () => {
    const bomb = craft({ page: { uncompressed_page_size: 2 ** 31 - 1 } });
    const failed = await command('run', await worldOf({ 'a.parquet': bomb }), '--quiet');
    expect(failed.stderr).toMatch(/it claims to hold 2147483647 bytes, compressed to \d+: over the limit/);
    expect(failed.exitCode).toBe(3);
  });

  it('that is not the one listed in the manifest ends the run with both digests', async () => {
    const manifest = `${'0'.repeat(64)}  a.parquet\n`;
    const files = { 'a.parquet': fixture('one-page'), SHA256SUMS: Buffer.from(manifest) };
    const failed = await command('run', await worldOf(files, { manifest: 'data/SHA256SUMS' }), '--quiet');
    expect(failed.stderr).toMatch(
      /data\/a\.parquet is not the one that corpus\.manifest lists: its SHA-256 is [0-9a-f]{64}, the manifest says 0{64}/,
    );
    expect(failed.exitCode).toBe(3);
  });

  it('that changes during the run ends it with exit code 5', async () => {
    const path = await worldOf({ 'a.parquet': fixture('one-page') }, {}, { checkpoint: { seconds: 0 } });
    let changed = false;
    const begin = () => {
      if (!changed) appendFileSync(join(path, '../data/a.parquet'), 'more');
      changed = true;
    };
    const running = run(path, ['slice.documents=4'], { ...quietHooks(), supervision: { ...unsupervised, begin } });
    await expect(running).rejects.toThrow(
      /data\/a\.parquet has changed since the run began \(it has \d+ bytes, it had \d+\)/,
    );
    await expect(running).rejects.toBeInstanceOf(IntegrityError);
  });
});

describe('text that is not valid', () => {
  it('is set aside with the byte, replaced, or ends the run, as configured', async () => {
    const files = { 'a.parquet': fixture('awkward-text') };
    const lax = { maxSkipped: { share: 1 } };
    const { out } = await run(await worldOf(files, {}, lax));
    const skipped = await readTable(out, 'skipped');
    expect(skipped.filter(({ reason }) => reason === 'invalid text').map(({ row }) => Number(row))).toEqual([
      4, 5, 6, 7,
    ]);
    const replaced = await run(await worldOf(files, { invalidText: 'replace' }, lax));
    expect((await readJson(replaced.out, 'run.json')).counts).toMatchObject({ read: 12, scored: 8 });
    const failed = await command('run', await worldOf(files, { onBadRow: 'fail' }), '--quiet');
    expect(failed.stderr).toContain('expected valid text in row 4 of data/a.parquet, got not UTF-8 at byte 7');
    expect(failed.exitCode).toBe(3);
  });
});

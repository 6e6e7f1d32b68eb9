import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { identityOf } from '../../../operators/files/processIdentity.ts';
import { takeRunLock } from '../../../pipeline/supervisor/runLock.ts';
import { UsageError } from '../../../schemas/errors.ts';

vi.setConfig({ testTimeout: 30_000 });

async function runFolder(): Promise<{ out: string; lock: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-lock-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const out = join(folder, 'runs', 'mine');
  return { out, lock: join(out, 'checkpoint', 'lock') };
}

const tokens = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
const since = '2026-01-02T03:04:05.000Z';
const dead = { pid: 4_000_000, startTime: 'no boot 1', host: hostname() };
const owner = (settings: object = {}) => ({
  ...{ token: tokens[0], ...dead, since, computePid: null, computeStartTime: null },
  ...settings,
});

/** A run folder whose lock holds `content`. */
async function locked(content: object | string) {
  const { out, lock } = await runFolder();
  await mkdir(join(out, 'checkpoint'), { recursive: true });
  await writeFile(lock, typeof content === 'string' ? content : JSON.stringify(content));
  return { out, lock };
}

const read = async (lock: string) => JSON.parse(await readFile(lock, 'utf8'));

/** A process that lives until the test ends it. */
function bystander() {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('takeRunLock', () => {
  it('makes the folder with a lock that names its owner and its compute process, and leaves nothing behind', async () => {
    const { out, lock } = await runFolder();
    const taken = await takeRunLock(out);
    expect(await read(lock)).toMatchObject({ ...identityOf(process.pid), host: hostname(), computePid: null });
    await taken.computing(process.pid);
    expect(await read(lock)).toMatchObject({
      computePid: process.pid,
      computeStartTime: identityOf(process.pid).startTime,
    });
    expect(await readdir(join(out, 'checkpoint'))).toEqual(['lock']);
    taken.release();
    expect(existsSync(out)).toBe(false);
  });

  it('leaves a folder that was there, and what is in it', async () => {
    const { out } = await runFolder();
    await mkdir(join(out, 'checkpoint'), { recursive: true });
    await writeFile(join(out, 'checkpoint', 'journal'), '');
    (await takeRunLock(out)).release();
    expect(await readdir(join(out, 'checkpoint'))).toEqual(['journal']);
  });

  it('refuses a second owner, naming the first', async () => {
    const { out } = await runFolder();
    const taken = await takeRunLock(out);
    const refused = takeRunLock(out);
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(
      `the run folder ${out} belongs to process ${process.pid} on ${hostname()} since 20`,
    );
    taken.release();
    (await takeRunLock(out)).release();
  });

  it('takes over from an owner that is dead', async () => {
    const { out, lock } = await locked(owner());
    const taken = await takeRunLock(out);
    expect(await read(lock)).toMatchObject({ pid: process.pid });
    expect(await readdir(join(out, 'checkpoint'))).toEqual(['lock']);
    taken.release();
    expect(existsSync(lock)).toBe(false);
  });

  it.skipIf(process.platform !== 'linux')('takes over where the number is now that of another process', async () => {
    const { out, lock } = await locked(owner({ pid: process.ppid }));
    const taken = await takeRunLock(out);
    expect(await read(lock)).toMatchObject({ pid: process.pid });
    taken.release();
  });

  it('lets one of many win who find the same dead owner', async () => {
    for (let round = 0; round < 20; round++) {
      const { out, lock } = await locked(owner());
      const takers = await Promise.allSettled(Array.from({ length: 8 }, () => takeRunLock(out)));
      const won = takers.filter(({ status }) => status === 'fulfilled');
      expect(won).toHaveLength(1);
      for (const taker of takers)
        if (taker.status === 'rejected') expect(taker.reason.message).toContain(`belongs to process ${process.pid}`);
      if (won[0].status === 'fulfilled') won[0].value.release();
      expect(existsSync(lock)).toBe(false);
    }
  });

  it('lets one of two processes win that start at once', async () => {
    const { out } = await locked(owner());
    const code = `import { takeRunLock } from ${JSON.stringify(join(process.cwd(), 'pipeline/supervisor/runLock.ts'))};
      process.stdin.once('data', () => takeRunLock(${JSON.stringify(out)}).then(() => console.log('won'), (e) => console.log(e.message)));
      console.log('ready');`;
    const takers = [0, 1].map(() => {
      const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      const said: string[] = [];
      child.stdout.on('data', (chunk: Buffer) => said.push(...chunk.toString().trim().split('\n')));
      return { child, said };
    });
    const all = (count: number) =>
      expect.poll(() => takers.every(({ said }) => said.length === count), { timeout: 20_000 }).toBe(true);
    await all(1);
    for (const { child } of takers) child.stdin.write('go\n');
    await all(2);
    const [winner] = takers.filter(({ said }) => said[1] === 'won');
    const losers = takers.filter((taker) => taker !== winner);
    expect(losers.map(({ said }) => said[1])).toEqual([
      expect.stringContaining(`belongs to process ${winner.child.pid}`),
    ]);
  });

  it('takes over from one that died while it took over', async () => {
    const { out, lock } = await locked(owner());
    await writeFile(`${lock}.after-${tokens[0]}`, JSON.stringify(owner({ token: tokens[1] })));
    const taken = await takeRunLock(out);
    expect(await readdir(join(out, 'checkpoint'))).toEqual(['lock']);
    expect(await read(lock)).toMatchObject({ pid: process.pid });
    taken.release();
  });

  it('leaves the folder to one that is about to take it over', async () => {
    const { out, lock } = await locked(owner());
    const other = bystander();
    await writeFile(
      `${lock}.after-${tokens[0]}`,
      JSON.stringify(owner({ token: tokens[1], ...identityOf(other.pid!) })),
    );
    await expect(takeRunLock(out)).rejects.toThrow(`belongs to process ${other.pid} on `);
  });

  it('sees the compute process of a dead owner ended before it takes over', async () => {
    const left = bystander();
    const ended = once(left, 'exit');
    const { pid, startTime } = identityOf(left.pid!);
    const { out } = await locked(owner({ computePid: pid, computeStartTime: startTime }));
    const taken = await takeRunLock(out);
    expect(await ended).toEqual([null, 'SIGKILL']);
    taken.release();
  });

  it('ends no process that only has the number of the compute process', async () => {
    const other = bystander();
    const { out } = await locked(owner({ computePid: other.pid, computeStartTime: 'no boot 1' }));
    (await takeRunLock(out)).release();
    expect(other.exitCode ?? other.signalCode).toBeNull();
  });

  it('never takes over from another machine, and says how to', async () => {
    const { out, lock } = await locked(owner({ host: 'elsewhere\u001b[2J' }));
    await expect(takeRunLock(out)).rejects.toThrow(
      `belongs to process ${dead.pid} on elsewhere\\u{1b}[2J since ${since}, another machine: name another with --out; ` +
        `if that process is no more, remove ${lock}`,
    );
  });

  it.each(['', '{', '{"token":"../../x"}', 'null'])(
    'takes a lock that holds %j for a dead one after a minute',
    async (text) => {
      const { out, lock } = await locked(text);
      await expect(takeRunLock(out)).rejects.toThrow(
        `expected a lock that names its owner, got ${lock}, which cannot be read`,
      );
      const before = new Date(Date.now() - 61_000);
      await utimes(lock, before, before);
      const taken = await takeRunLock(out);
      expect(await read(lock)).toMatchObject({ pid: process.pid });
      taken.release();
    },
  );

  it('refuses a file in place of the folder', async () => {
    const { out } = await runFolder();
    await mkdir(join(out, '..'), { recursive: true });
    await writeFile(out, '');
    await expect(takeRunLock(out)).rejects.toThrow(
      `out: expected a folder, got the file ${out}: name another with --out`,
    );
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { identityOf, isAlive } from '../../../operators/files/processIdentity.ts';

describe('isAlive', () => {
  it('knows a process that lives, and one that ended', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const identity = identityOf(child.pid!);
    expect(isAlive(identity)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(identity)).toBe(false);
  });

  it.skipIf(process.platform !== 'linux')('takes a process that started at another time for another', () => {
    const mine = identityOf(process.pid);
    expect(mine.startTime).toMatch(/^[0-9a-f-]{36} \d+$/);
    expect(isAlive(mine)).toBe(true);
    expect(isAlive({ ...mine, startTime: `${mine.startTime}1` })).toBe(false);
  });

  it.skipIf(process.platform !== 'linux')('takes a zombie for dead', async () => {
    // The shell starts one program, tells its number and then becomes another, which never asks how the first ended.
    const parent = spawn('/bin/sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onTestFinished(() => void parent.kill('SIGKILL'));
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(line);
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), { timeout: 10_000 }).toContain(') Z ');
    expect(isAlive(identityOf(pid))).toBe(false);
  });
});

/** Programs that a test starts, listens to, sends signals, and that never outlive it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished } from 'vitest';

export interface Program {
  pid: number;
  /** What it and its compute process have written to standard error. */
  said(): string;
  /** Waits until they have written what matches. */
  says(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<{ exitCode: number | null; signal: NodeJS.Signals | null; out: string; err: string }>;
}

export const headwater = [resolve('pipeline/headwater.js')];
export const supervisedScript = ['--import', 'tsx', resolve('test/fixtures/supervisedScript.ts')];

const patience = { timeout: 30_000, interval: 20 };

/** Starts a program; it is killed at the end of the test, and its compute process with it. */
export function start(program: string[], args: string[], env: Record<string, string> = {}): Program {
  const child = spawn(process.execPath, [...program, ...args], { env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  const out: string[] = [];
  const err: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()));
  const said = (): string => err.join('');
  return {
    pid: child.pid!,
    said,
    async says(pattern) {
      await expect.poll(() => pattern.test(said()) || child.exitCode !== null, patience).toBe(true);
      expect(said()).toMatch(pattern);
    },
    kill: (signal) => void child.kill(signal),
    ended: once(child, 'close').then(([exitCode, signal]) => ({ exitCode, signal, out: out.join(''), err: said() })),
  };
}

/** The number of the compute process at work in the run folder, once there is one other than `before`. */
export async function computePid(out: string, before: number | null = null): Promise<number> {
  let pid: number | null = null;
  const find = async () => {
    const text = await readFile(join(out, 'checkpoint', 'lock'), 'utf8').catch(() => '{"computePid":null}');
    pid = JSON.parse(text).computePid;
    return pid !== null && pid !== before;
  };
  await expect.poll(find, patience).toBe(true);
  return pid!;
}

/** Waits until no process of that number lives. */
export async function gone(pid: number): Promise<void> {
  const lives = () => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  await expect.poll(lives, patience).toBe(false);
}

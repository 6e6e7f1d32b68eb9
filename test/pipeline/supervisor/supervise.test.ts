/** The supervisor over a compute process that follows a script, in place of a run. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { smallFolder } from '../smallWorld.ts';
import { computePid, gone, start, supervisedScript } from './programs.ts';

vi.setConfig({ testTimeout: 60_000 });

/**
 * A run whose nth life (from 1) does what `body` says, with `life`, `hooks`, `supervision` and `forever()` at
 * hand. What it is told, it writes to the error stream.
 */
async function scripted(body: string, settings: object = {}) {
  const folder = await smallFolder();
  const yaml = join(folder, 'run.yaml');
  await writeFile(
    yaml,
    JSON.stringify({ model: './model', corpus: { files: ['a'] }, queries: 'q.jsonl', ...settings }),
  );
  const script = join(folder, 'script.mjs');
  await writeFile(
    script,
    `import { appendFileSync, readFileSync } from 'node:fs';
    const lives = new URL('./lives', import.meta.url);
    const forever = () => new Promise(() => setInterval(() => {}, 1000));
    export default async function runStage(configuration, hooks) {
      const { supervision, resume } = hooks;
      appendFileSync(lives, '.');
      const life = readFileSync(lives).length;
      const { suspects, condemned } = supervision.caution;
      console.error('life', life, JSON.stringify({ resume, suspects, condemned: condemned.map(({ key, reason }) => [key, reason]) }));
      const done = { exitCode: 0, summary: 'done in life ' + life };
      ${body}
    }`,
  );
  const run = (...args: string[]) => start(supervisedScript, ['run', yaml, ...args], { SCRIPT: `file://${script}` });
  return { run, out: join(folder, 'runs', 'run') };
}

/** What each life of the compute process was told. */
function livesIn(text: string): { resume: boolean; suspects: object[]; condemned: [number, string][] }[] {
  return [...text.matchAll(/^life \d+ (.*)$/gm)].map(([, told]) => JSON.parse(told));
}

describe('supervise', () => {
  it('passes on what the run gives, in a process of its own with two arenas', async () => {
    const { run, out } = await scripted(
      `return { exitCode: 4, summary: process.ppid + ' ' + process.env.MALLOC_ARENA_MAX };`,
    );
    const program = run();
    const { exitCode, out: printed, err } = await program.ended;
    expect({ exitCode, printed }).toEqual({ exitCode: 4, printed: `${program.pid} 2\n` });
    expect(livesIn(err)).toEqual([{ resume: true, suspects: [], condemned: [] }]);
    await expect(readFile(join(out, 'checkpoint', 'lock'))).rejects.toThrow('ENOENT');
  });

  it('ends with the run where a read that was given up keeps the process', async () => {
    const drive = new URL('../../../operators/documents/parquet/withDeadline.ts', import.meta.url).href;
    const { run, out } = await scripted(
      `const { withDeadline } = await import(${JSON.stringify(drive)});
      await withDeadline(forever(), 0.2, 'reading').catch(({ message }) => console.error(message));
      return { exitCode: 4, summary: '' };`,
    );
    const { exitCode, err } = await run().ended;
    expect({ exitCode, lives: livesIn(err).length }).toEqual({ exitCode: 4, lives: 1 });
    expect(err).toContain('reading took more than 0.2 s, the limit of corpus.readSeconds');
    await expect(readFile(join(out, 'checkpoint', 'lock'))).rejects.toThrow('ENOENT');
  });

  it.each([
    ['1', `throw new TypeError('x is not a function')`, 1, 'please report it'],
    [
      '5',
      `throw Object.assign(Object.create(Error.prototype), { code: 'ENOSPC', message: 'x', path: '/full' })`,
      6,
      'full',
    ],
  ])('takes exit code %s for final', async (_, body, expected, text) => {
    const { run } = await scripted(body);
    const { exitCode, err } = await run().ended;
    expect(exitCode).toBe(expected);
    expect(err).toContain(text);
    expect(livesIn(err)).toHaveLength(1);
  });

  it('knows what was begun right before a native crash, and learns from crash to crash which document it is', async () => {
    // Documents 0 to 39 in batches of 10, two in flight where nothing is suspected; 27 kills.
    const { run } = await scripted(`
      const apart = (s) => suspects.some((one) => one.apart && one.keyStart === s);
      const work = (from, to) => {
        supervision.begin({ keyStart: from, keyEnd: to });
        if (from <= 27 && 27 < to && !condemned.some(({ key }) => key === 27)) process.abort();
        supervision.end({ keyStart: from, keyEnd: to });
      };
      for (let s = 0; s < 40; s += 10) {
        if (suspects.length === 0 && s >= 10) supervision.begin({ keyStart: s - 10, keyEnd: s });
        if (apart(s)) for (let key = s; key < s + 10; key++) if (!condemned.some((one) => one.key === key)) work(key, key + 1);
        work(s, s + 10);
        if (suspects.length === 0 && s >= 10) supervision.end({ keyStart: s - 10, keyEnd: s });
      }
      return done;`);
    const { exitCode, out, err } = await run().ended;
    expect({ exitCode, out }).toEqual({ exitCode: 0, out: 'done in life 4\n' });
    const first = { keyStart: 10, keyEnd: 20, apart: false };
    const second = { keyStart: 20, keyEnd: 30, apart: false };
    expect(livesIn(err).map(({ suspects, condemned }) => [suspects, condemned])).toEqual([
      [[], []],
      [[first, second], []],
      [[first, { ...second, apart: true }], []],
      [[first, { ...second, apart: true }], [[27, 'crash']]],
    ]);
    expect(err).toContain(
      'the compute process ended by SIGABRT, with documents 10 to 19, 20 to 29 in flight: started again from its last checkpoint, ' +
        'if any (1 of at most 30 times); documents 10 to 19, 20 to 29 will be tried alone',
    );
    expect(err).toContain('ended by SIGABRT, with documents 27 in flight');
  });

  it('takes a dead worker thread for a death', async () => {
    const { run } = await scripted(`if (life > 1) return done; process.exit(70);`);
    const { exitCode, err } = await run().ended;
    expect(exitCode).toBe(0);
    expect(err).toContain('the compute process ended with exit code 70, with no documents in flight');
  });

  it('ends what does not move within its deadline, and starts again', async () => {
    const { run } = await scripted(
      `if (condemned.length > 0) return done;
      supervision.begin({ keyStart: 7, keyEnd: 8 });
      setInterval(() => supervision.tokens(123), 100);
      await forever();`,
      { supervisor: { batchSeconds: 1 } },
    );
    const { exitCode, out, err } = await run().ended;
    expect({ exitCode, out }).toEqual({ exitCode: 0, out: 'done in life 4\n' });
    expect(livesIn(err).at(-1)!.condemned).toEqual([[7, 'deadline']]);
    expect(err).toContain('the compute process was ended after 1 s without progress, with documents 7 in flight');
  });

  it('leaves alone what has no batch in flight or still counts tokens, however long it takes', async () => {
    const { run } = await scripted(
      `await new Promise((resume) => setTimeout(resume, 2500));
      supervision.begin({ keyStart: 7, keyEnd: 9 });
      for (let tokens = 1; tokens < 4; tokens++) {
        supervision.tokens(tokens);
        await new Promise((resume) => setTimeout(resume, 1001));
      }
      supervision.end({ keyStart: 7, keyEnd: 9 });
      return done;`,
      { supervisor: { batchSeconds: 2 } },
    );
    expect(await run().ended).toMatchObject({ exitCode: 0, out: 'done in life 1\n' });
  });

  it('blames nobody where it was killed from outside', async () => {
    const { run, out } = await scripted(`
      if (life > 1) return done;
      supervision.begin({ keyStart: 0, keyEnd: 10 });
      console.error('at work');
      await forever();`);
    const program = run();
    await program.says(/at work/);
    process.kill(await computePid(out), 'SIGKILL');
    const { exitCode, err } = await program.ended;
    expect(exitCode).toBe(0);
    expect(livesIn(err)[1]).toEqual({ resume: true, suspects: [], condemned: [] });
    expect(err).toContain('the compute process ended by SIGKILL, sent from outside, with documents 0 to 9 in flight');
  });

  it('ends a crash loop with exit code 70, and says where it stands', async () => {
    const { run, out } = await scripted(`
      if (life === 1) supervision.checkpointed(40);
      supervision.begin({ keyStart: 40, keyEnd: 50 });
      supervision.begin({ keyStart: 50, keyEnd: 60 });
      process.abort();`);
    const { exitCode, err } = await run().ended;
    expect(exitCode).toBe(70);
    expect(livesIn(err)).toHaveLength(6);
    expect(err).toContain(
      'error: the compute process died 6 times without getting on: the last ended by SIGABRT, with documents 40 to 49, 50 to 59 in flight. ' +
        `What was done of the documents before 40 is kept in ${join(out, 'checkpoint')}: the same command goes on from there.`,
    );
  });

  it('ends with exit code 70 once it died more often than allowed, and knows the next time what it learned', async () => {
    const { run } = await scripted(
      `if (life > 2) return done;
      supervision.checkpointed(life);
      supervision.begin({ keyStart: 40, keyEnd: 50 });
      process.abort();`,
      { supervisor: { maxCrashes: 1 } },
    );
    const { exitCode, err } = await run().ended;
    expect(exitCode).toBe(70);
    expect(err).toContain('expected at most 1 deaths of the compute process (supervisor.maxCrashes), got 2: the last');
    const again = await run().ended;
    expect(again.exitCode).toBe(0);
    expect(livesIn(again.err)[0].suspects).toEqual([{ keyStart: 40, keyEnd: 50, apart: true }]);
  });

  it('begins anew with --no-resume, but goes on after a death of the run that was so begun', async () => {
    const { run } = await scripted(`
      if (life === 1) process.abort();
      supervision.checkpointed(life);
      if (life === 2) process.abort();
      return done;`);
    const { exitCode, err } = await run('--no-resume').ended;
    expect(exitCode).toBe(0);
    expect(livesIn(err).map(({ resume }) => resume)).toEqual([false, false, true]);
  });

  const heeding = `
    hooks.signal.addEventListener('abort', () => console.error('asked to stop'));
    console.error('at work');`;

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('hands %s on once, and ends with %i as the run does', async (signal, expected) => {
    const { run } = await scripted(
      `${heeding} const timer = setInterval(() => {}, 1000);
      await new Promise((stopped) => hooks.signal.addEventListener('abort', () => setTimeout(stopped, 600)));
      clearInterval(timer);
      return done;`,
    );
    const program = run();
    await program.says(/at work/);
    program.kill(signal);
    const { exitCode, out, err } = await program.ended;
    expect({ exitCode, out }).toEqual({ exitCode: expected, out: 'done in life 1\n' });
    expect(err.match(/asked to stop/g)).toHaveLength(1);
    expect(err).toContain(`${signal}: stopping after the batches in flight; once more to stop at once`);
  });

  it('ends at the second signal at once', async () => {
    const { run, out } = await scripted(`${heeding} await forever();`);
    const program = run();
    await program.says(/at work/);
    const pid = await computePid(out);
    program.kill('SIGINT');
    await program.says(/asked to stop/);
    const asked = performance.now();
    program.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ exitCode: 130, signal: null });
    expect(performance.now() - asked).toBeLessThan(5000);
    await gone(pid);
  });

  it('ends within ten seconds of the first signal even where the run does not heed it', async () => {
    const { run, out } = await scripted(`${heeding} await forever();`);
    const program = run();
    await program.says(/at work/);
    const pid = await computePid(out);
    const asked = performance.now();
    program.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ exitCode: 143, signal: null });
    expect(performance.now() - asked).toBeLessThan(10_000);
    await gone(pid);
  });

  it('leaves no compute process behind when it is killed itself', async () => {
    const { run, out } = await scripted(`console.error('at work'); await forever();`);
    const program = run();
    await program.says(/at work/);
    const pid = await computePid(out);
    program.kill('SIGKILL');
    await gone(pid);
  });

  it('says nothing of deaths with --quiet', async () => {
    const { run } = await scripted(`if (life === 1) process.exit(70); return done;`);
    const { err, exitCode } = await run('--quiet').ended;
    expect({ exitCode, err: err.replace(/^life.*\n/gm, '') }).toEqual({ exitCode: 0, err: '' });
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../../package.json' with { type: 'json' };
import type { StageHooks } from '../../../pipeline/stages/stageHooks.ts';
import { commandLine, type Stages } from '../../../pipeline/terminal/commandLine.ts';
import { type Configuration, configurationRows, defaultsTable } from '../../../schemas/configuration.ts';
import { InputError, IntegrityError } from '../../../schemas/errors.ts';

let folder: string;
let yaml: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-'));
  yaml = join(folder, 'run.yaml');
  await writeFile(yaml, 'model: ./model\ncorpus: {files: [a.parquet]}\nqueries: queries.jsonl\n');
});
afterAll(() => rm(folder, { recursive: true }));

type Stage = (configuration: Configuration, hooks: StageHooks) => Promise<{ exitCode: number; summary: string }>;
const done: Stage = async () => ({ exitCode: 0, summary: 'done' });

/** Runs a command with one stage in place of all. */
async function headwater(args: string[], stage: Stage = done, instead: Partial<Stages> = {}) {
  const sink = () => {
    const written: string[] = [];
    const stream = Object.assign(new PassThrough(), { columns: 100 }) as unknown as NodeJS.WriteStream;
    stream.on('data', (chunk: Buffer) => written.push(chunk.toString()));
    return { stream, text: () => written.join('') };
  };
  const [stdout, stderr] = [sink(), sink()];
  const started: { name: string; configuration: Configuration }[] = [];
  const named = (name: string) => (configuration: Configuration, hooks: StageHooks) => {
    started.push({ name, configuration });
    return stage(configuration, hooks);
  };
  const stages: Stages = {
    runStage: named('run'),
    fitStage: named('fit'),
    queriesStage: named('queries'),
    planStage: named('plan'),
    mergeStage: async (folders, out) => ({ exitCode: 0, summary: `${folders.join(' and ')} merged into ${out}` }),
    reportStage: async (folder) => ({ summary: `report of ${folder}` }),
    ...instead,
  };
  const signals = { on: () => {}, off: () => {}, kill: () => expect.fail('killed') };
  const exitCode = await commandLine(args, {
    stdout: stdout.stream,
    stderr: stderr.stream,
    signals,
    loadStages: async () => stages,
  });
  return { exitCode, out: stdout.text(), err: stderr.text(), started };
}

const fails =
  (error: unknown): Stage =>
  async () => {
    throw error;
  };

describe('commandLine', () => {
  it('makes the report of a folder again, by its absolute path', async () => {
    const { exitCode, out } = await headwater(['report', 'runs/mine']);
    expect(exitCode).toBe(0);
    expect(out).toBe(`report of ${resolve('runs/mine')}\n`);
  });

  it('merges shards into the folder that is named, or the one that was given', async () => {
    const two = await headwater(['merge', 'one', 'two', '--out', join(folder, 'whole')]);
    expect(two).toMatchObject({
      exitCode: 0,
      out: `${resolve('one')} and ${resolve('two')} merged into ${folder}/whole\n`,
    });
    const below = join(folder, 'run');
    expect(await headwater(['merge', below])).toMatchObject({ exitCode: 0, out: `${below} merged into ${below}\n` });
    const nowhere = await headwater(['merge', 'one', 'two']);
    expect(nowhere.exitCode).toBe(2);
    expect(nowhere.err).toContain('merge expected --out, the run folder to write, beside 2 folders: name one');
  });

  it('passes over the shard that is asked for', async () => {
    const shards: unknown[] = [];
    const runStage: Stages['runStage'] = async (_configuration, _hooks, shard) => {
      shards.push(shard);
      return { exitCode: 0, summary: '' };
    };
    const out = join(folder, 'sharded');
    await headwater(['run', yaml, '--out', out, '--shard', '2/4'], done, { runStage });
    await headwater(['run', yaml, '--out', out], done, { runStage });
    expect(shards).toEqual([{ index: 2, count: 4 }, null]);
    const wrong = await headwater(['run', yaml, '--out', out, '--shard', '5/4'], done, { runStage });
    expect(wrong).toMatchObject({ exitCode: 2, err: expect.stringContaining('--shard expected i/n with 1 ≤ i ≤ n') });
  });

  it.each(['run', 'fit', 'queries', 'plan'])(
    'starts %s with the configuration and prints its summary',
    async (name) => {
      const { exitCode, out, err, started } = await headwater([name, yaml]);
      expect({ exitCode, out, err }).toEqual({ exitCode: 0, out: 'done\n', err: '' });
      expect(started.map((stage) => stage.name)).toEqual([name]);
      expect(started[0].configuration).toMatchObject({
        model: join(folder, 'model'),
        out: join(folder, 'runs', 'run'),
      });
    },
  );

  it('tells fit which part of the sample it is given', async () => {
    const parts: unknown[] = [];
    const fitting: Stages['fitStage'] = async (_configuration, _hooks, part) => {
      parts.push(part);
      return { summary: 'done' };
    };
    for (const more of [[], ['--part', '2/4'], ['--part', '1/1']])
      expect((await headwater(['fit', yaml, ...more], done, { fitStage: fitting })).exitCode).toBe(0);
    expect(parts).toEqual([null, { index: 2, count: 4 }, { index: 1, count: 1 }]);
    expect((await headwater(['run', yaml, '--part', '2/4'])).err).toContain("unknown option '--part'");
  });

  it('tells a run whether to go on from its checkpoint', async () => {
    const told: unknown[] = [];
    const heard: Stage = async (_, { resume }) => {
      told.push(resume);
      return { exitCode: 0, summary: 'done' };
    };
    for (const more of [[], ['--resume'], ['--no-resume']])
      expect((await headwater(['run', yaml, ...more], heard)).exitCode).toBe(0);
    expect(told).toEqual([true, true, false]);
  });

  it('lays its options over the configuration', async () => {
    const options = ['--out', 'somewhere', '--workers', '3', '--credits', '4', '--limit', '5', '--skip', '6'];
    const { started } = await headwater([
      'run',
      yaml,
      ...options,
      '--set',
      'topK=7',
      '--set',
      'projection.k=8',
      '--set=seed=9',
    ]);
    expect(started[0].configuration).toMatchObject({
      out: resolve('somewhere'), // relative to where it was typed
      pool: { workers: 3, credits: 4 },
      corpus: { limit: 5, skip: 6 },
      topK: 7,
      projection: { kind: 'queryAdaptive', k: 8 },
      seed: 9,
    });
  });

  it.each([
    [['--workers', '0'], '--workers 0: pool.workers expected 1 to 1,024 or auto, got 0'],
    [['--workers', 'many'], '--workers many: pool.workers expected 1 to 1,024 or auto, got the text "many"'],
    [['--credits', '1.5'], '--credits 1.5: pool.credits expected 1 to 65,536 or auto, got 1.5'],
    [['--limit', 'ten'], '--limit ten: corpus.limit expected a whole number, 1 or more, got the text "ten"'],
    [['--limit', '[1'], '--limit [1: corpus.limit expected a whole number, 1 or more, got the text "[1"'],
    [['--skip', '-1'], '--skip -1: corpus.skip expected a whole number, 0 or more, got -1'],
    [['--out', ''], '--out : out expected text that is not empty, got the text ""'],
    [['--set', 'topk=3'], '--set topk=3: unknown key topk; did you mean topK?'],
    [['--worker', '3'], "error: unknown option '--worker'\n(Did you mean --workers?)"],
    [['--set'], "error: option '--set <key=value>' argument missing"],
    [['more'], 'error: too many arguments'],
    [['\u001b[31m'], 'error: too many arguments'],
  ])('ends with 2 at %j', async (options, message) => {
    const { exitCode, out, err, started } = await headwater(['run', yaml, ...options]);
    expect({ exitCode, out, started }).toEqual({ exitCode: 2, out: '', started: [] });
    expect(err).toContain(message);
    expect(err).toMatch(/^error: /);
  });

  it.each([
    [[], 'Usage: headwater'],
    [['run'], "error: missing required argument 'CONFIG.yaml'"],
    [['rum', 'x.yaml'], "error: unknown command 'rum'\n(Did you mean run?)"],
    [['\u001b]0;owned\u0007'], "error: unknown command '\\u{1b}]0;owned\\u{7}'"],
    [['run', 'none.yaml'], 'error: no configuration at none.yaml (looked in '],
    [['config'], 'error: headwater config expected --defaults or --json-schema, got neither: give one'],
    [['config', '--defaults', '--json-schema'], 'expected --defaults or --json-schema, got both: give one'],
  ])('ends with 2 at headwater %j', async (args, message) => {
    const { exitCode, out, err } = await headwater(args);
    expect({ exitCode, out }).toEqual({ exitCode: 2, out: '' });
    expect(err).toContain(message);
  });

  it('ends with 2 at a bad configuration, by file, line and column', async () => {
    const path = join(folder, 'bad.yaml');
    await writeFile(path, 'model: ./model\ntopk: 3\ncorpus: {files: [a]}\nqueries: q.jsonl\n');
    const { exitCode, err } = await headwater(['run', path]);
    expect(exitCode).toBe(2);
    expect(err).toBe(`error: ${path}:2:1: unknown key topk; did you mean topK?\n  2 | topk: 3\n    | ^^^^\n`);
  });

  it.each([
    [
      new InputError('model.safetensors expected 3 tensors, got 2'),
      3,
      'error: model.safetensors expected 3 tensors, got 2\n',
    ],
    [new IntegrityError('the cache was made with another seed'), 5, 'error: the cache was made with another seed\n'],
    [Object.assign(new Error('x'), { code: 'ENOSPC', path: '/full/a' }), 6, 'error: /full/a: the disk is full'],
    [new TypeError('undefined is not a function'), 1, 'please report it'],
  ])('turns %s into its exit code', async (error, expected, message) => {
    const { exitCode, out, err } = await headwater(['run', yaml], fails(error));
    expect({ exitCode, out }).toEqual({ exitCode: expected, out: '' });
    expect(err).toContain(message);
  });

  it('passes on the exit code of a run that set too much aside', async () => {
    const { exitCode, out } = await headwater(['run', yaml], async () => ({ exitCode: 4, summary: 'too much' }));
    expect({ exitCode, out }).toEqual({ exitCode: 4, out: 'too much\n' });
  });

  it('shows progress and news on the error stream, and none with --quiet', async () => {
    const working: Stage = async (_, { progress, log }) => {
      progress.stage('scores', 2);
      log('a file was passed over');
      progress.advance({ items: 2, tokens: 10 });
      progress.done();
      return { exitCode: 0, summary: 'done' };
    };
    const loud = await headwater(['run', yaml], working);
    expect(loud.err).toMatch(/^scores: 2 documents\na file was passed over\nscores: 2 documents, 10 tokens in /);
    expect(loud.out).toBe('done\n');
    expect(await headwater(['run', yaml, '--quiet'], working)).toMatchObject({ err: '', out: 'done\n' });
  });

  it('never sends an escape sequence of the data to the terminal', async () => {
    const evil = '\u001b]0;owned\u0007 =cmd()|x \u009b2J \u202e';
    const summary = await headwater(['run', yaml], async (_, { log }) => {
      log(evil);
      return { exitCode: 0, summary: `1. ${evil}\n2. fine` };
    });
    const failure = await headwater(['run', yaml], fails(new InputError(`no column ${evil}`)));
    const crash = await headwater(['run', yaml], fails(new Error(evil)));
    for (const text of [summary.out, summary.err, failure.err, crash.err]) {
      expect(text).toContain('\\u{1b}]0;owned\\u{7} =cmd()|x \\u{9b}2J \\u{202e}');
      expect(text).not.toMatch(/(?!\n)\p{Cc}|\u202e/u);
    }
    expect(summary.out).toMatch(/\n2\. fine\n$/);
  });

  it('prints help and version', async () => {
    expect(await headwater(['--version'])).toMatchObject({ exitCode: 0, out: `${packageJson.version}\n`, err: '' });
    const { exitCode, out } = await headwater(['--help']);
    expect(exitCode).toBe(0);
    for (const name of ['run', 'queries', 'plan', 'report', 'doctor', 'config'])
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  it('lists every key of the configuration in the help of run, within the width of the terminal', async () => {
    const { exitCode, out } = await headwater(['run', '--help']);
    expect(exitCode).toBe(0);
    for (const { key } of configurationRows()) expect(out).toMatch(new RegExp(`^  ${key} `, 'm'));
    expect(out).toContain('tokens in a window at most [2 to 1,048,576; default: 512]');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('prints the defaults table and the JSON Schema', async () => {
    expect(await headwater(['config', '--defaults'])).toMatchObject({ exitCode: 0, out: defaultsTable() });
    const { out } = await headwater(['config', '--json-schema']);
    expect(JSON.parse(out)).toMatchObject({ type: 'object', additionalProperties: false });
  });

  it('lets the doctor look at this machine', async () => {
    const { exitCode, out } = await headwater(['doctor']);
    expect(out).toMatch(/^✓ Node +\d+/);
    expect(out).toMatch(/^✓ onnxruntime +loads; \d+ GFLOP\/s on one thread$/m);
    expect(exitCode).toBe(0);
  }, 30_000);
});

describe('commandLine: signals, in a process of its own', () => {
  /** Starts a stage, sends it each signal once it said what `until` matches, and tells how the process ended. */
  async function stopped(stage: 'heeding' | 'deaf', signals: { until: string; send: NodeJS.Signals }[]) {
    const fixture = resolve('test/fixtures/stuckStage.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', fixture, 'run', yaml, '--no-supervisor'], {
      env: { ...process.env, STAGE: stage },
    });
    const ended = once(child, 'exit');
    const out: string[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()));
    const waiting = [...signals];
    for await (const line of createInterface({ input: child.stderr }))
      if (line.includes(waiting[0]?.until)) child.kill(waiting.shift()!.send);
    const [exitCode, signal] = await ended;
    return { exitCode, signal, out: out.join('') };
  }

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)(
    'stops between batches at %s, with the summary and exit code %i',
    async (send, exitCode) => {
      expect(await stopped('heeding', [{ until: 'at work', send }])).toEqual({
        exitCode,
        signal: null,
        out: 'stopped between batches\n',
      });
    },
    30_000,
  );

  it('dies of the second signal at once, even with a worker that never returns', async () => {
    const signals = [
      { until: 'at work', send: 'SIGINT' },
      { until: 'SIGINT: stopping after the batches in flight; once more to stop at once', send: 'SIGTERM' },
    ] as const;
    expect(await stopped('deaf', [...signals])).toEqual({ exitCode: null, signal: 'SIGTERM', out: '' });
  }, 30_000);
});

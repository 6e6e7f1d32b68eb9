/**
 * What it costs to survive: the bundled corpus in one process without checkpoints, and under the supervisor with a checkpoint every few
 * seconds and every 60, in an order that turns from round to round: `npx tsx bench/survival.ts`. Rates are of the pass alone, from its
 * opening to its last checkpoint; start-up stands beside them. Ends with 1 where a median is more than 2 % slower than without.
 * `--rounds N`, `--seconds N` between checkpoints (60 is the default of the program), `--documents N`, `--json FILE`.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { readHashed } from '../operators/files/hashedFile.ts';
import { writeCheckpoint } from '../pipeline/checkpoints/checkpointFiles.ts';
import { describeMachine } from './machine.ts';
import { median, medianAndRange, printReport, type ReportRow } from './report.ts';
import { type HeadwaterRun, runHeadwater } from './runHeadwater.ts';

const tolerance = 0.02;
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    documents: { type: 'string', default: '10500' },
    json: { type: 'string' },
  },
});
const often = Number(options.seconds);
const never = 1e9;

/** What is run, in the order of the first round. */
const variants = {
  'one process, no checkpoints': { seconds: never, flags: ['--no-supervisor'] },
  [`supervisor, a checkpoint every ${often} s`]: { seconds: often, flags: [] },
  'supervisor, a checkpoint every 60 s': { seconds: 60, flags: [] },
};
type Measured = HeadwaterRun & { tokensPerSecond: number };

const datasets = join(import.meta.dirname, '..', 'datasets');
const folder = await mkdtemp(join(tmpdir(), 'headwater-survival-'));
try {
  await measure(never, ['--no-supervisor']); // fills the cache
  const measured = new Map<string, Measured[]>(Object.keys(variants).map((name) => [name, []]));
  let checkpoint: Buffer | null = null;
  for (let round = 0; round < Number(options.rounds); round++)
    for (const [name, { seconds, flags }] of turned(Object.entries(variants), round)) {
      const caught: ReturnType<typeof catchCheckpoint> | null =
        seconds === often && !checkpoint ? catchCheckpoint() : null;
      measured.get(name)!.push(await measure(seconds, flags));
      checkpoint ??= (await caught?.()) ?? null;
      console.error(`${name}: ${measured.get(name)!.at(-1)!.tokensPerSecond.toFixed(0)} tokens/s`);
    }
  await report(measured, checkpoint);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** What comes first changes: a machine that slows down or warms up meets all alike. */
function turned<T>(items: T[], by: number): T[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

async function measure(seconds: number, flags: string[]): Promise<Measured> {
  const configuration = {
    model: join(datasets, 'model'),
    corpus: {
      files: [join(datasets, 'corpus/*.parquet')],
      idColumn: 'id',
      sourceColumn: 'source',
      limit: Number(options.documents),
    },
    queries: join(datasets, 'queries.jsonl'),
    contextTokens: 256,
    projection: { kind: 'queryAdaptive', k: 64 },
    fit: { documents: 100 },
    topK: 500,
    explain: { documents: 0 },
    checkpoint: { seconds },
    out: 'out',
    cache: 'cache',
  };
  const run = await runHeadwater(configuration, folder, ['--quiet', ...flags]);
  const { counts } = JSON.parse(await readFile(join(folder, 'out/run.json'), 'utf8'));
  return { ...run, tokensPerSecond: counts.tokens / run.parts.stream };
}

/** Looks for a checkpoint while a run is at work, and gives the last one that was whole. */
function catchCheckpoint(): () => Promise<Buffer | null> {
  let [found, over]: [Buffer | null, boolean] = [null, false];
  const looking = (async () => {
    while (!over) {
      found = (await readHashed(join(folder, 'out/checkpoint/generation-1.bin')).catch(() => null)) ?? found;
      await setTimeout(1000);
    }
  })();
  return async () => {
    over = true;
    await looking;
    return found;
  };
}

async function report(measured: Map<string, Measured[]>, checkpoint: Buffer | null): Promise<void> {
  const [without] = measured.values();
  const rates = (runs: Measured[]) => runs.map(({ tokensPerSecond }) => tokensPerSecond);
  const ratioOf = (runs: Measured[]) => median(rates(runs)) / median(rates(without));
  const rows = Array.from(measured, ([name, runs]): ReportRow => {
    const starts = runs.map(
      ({ seconds, parts }) => seconds - Object.values(parts).reduce((sum, part) => sum + part, 0),
    );
    const pairs = runs.map((run, round) => run.tokensPerSecond / without[round].tokensPerSecond);
    return {
      run: name,
      'tokens/s of the pass': medianAndRange(rates(runs), 0),
      'ratio of medians': ratioOf(runs).toFixed(3),
      'ratio round by round': medianAndRange(pairs, 3),
      'start and end of the processes, s': medianAndRange(starts, 1),
    };
  });
  const slow = [...measured].filter(([, runs]) => ratioOf(runs) < 1 - tolerance).map(([name]) => name);
  const verdict = slow.length > 0 ? `more than 2 % slower: ${slow.join('; ')}` : 'none is more than 2 % slower';
  const size = checkpoint ? [await costOf(checkpoint)] : [];
  const notes = [
    `${options.rounds} rounds over ${options.documents} documents, 110 queries, topK 500; ${verdict}`,
    ...size,
  ];
  const title = 'What checkpoints and supervisor cost';
  await printReport({ title, machine: describeMachine(), rows, notes, raw: [...measured] }, options.json);
  process.exitCode = slow.length > 0 ? 1 : 0;
}

/** What one checkpoint takes: its states made into bytes, hashed, written, flushed and renamed. */
async function costOf(bytes: Buffer): Promise<string> {
  const checkpoint = deserialize(bytes);
  const states = checkpoint.folds.map(({ state }: { state: Uint8Array }) => deserialize(state));
  const milliseconds: number[] = [];
  for (let time = 0; time < 9; time++) {
    const begun = performance.now();
    const folds = states.map((state: unknown, f: number) => ({ ...checkpoint.folds[f], state: serialize(state) }));
    await writeCheckpoint(folder, { ...checkpoint, folds });
    milliseconds.push(performance.now() - begun);
  }
  return `a checkpoint has ${(bytes.length / 2 ** 20).toFixed(1)} MiB and takes ${medianAndRange(milliseconds, 0)} ms`;
}

/** Shows how far long work is, how fast it goes and how long it will take: a bar on a terminal, plain lines elsewhere. */
import { MultiBar } from 'cli-progress';
import { printableLine, printableText } from '../../operators/report/printableText.ts';

/** What a stage tells of its progress. */
export interface Progress {
  /** Begins a stage, and ends the one before it. `done`: items that an earlier process has done. */
  stage(name: string, total?: number, unit?: string, done?: number): void;
  /** Adds what was done since the last call: items of the stage's unit, and tokens where they are what takes the time. */
  advance(step: Step): void;
  /** Ends the stage with a line that says what it did. */
  done(): void;
}

export interface Step {
  items: number;
  tokens: number;
}

/** Progress as the command line holds it. */
export interface ShownProgress extends Progress {
  /** A line of news; on a terminal it goes above the bar. */
  log(line: string): void;
  /** Takes the bar away without a word, for work that failed. */
  stop(): void;
}

export interface ProgressSettings {
  stream: NodeJS.WriteStream;
  quiet: boolean;
  /** Milliseconds that never go back: a wall clock may jump. */
  now?: () => number;
}

const lineEvery = 10_000; // ms
const rateOver = 30_000; // ms
const barWidth = 20; // characters

export function createProgress({ stream, quiet, now = () => performance.now() }: ProgressSettings): ShownProgress {
  if (quiet) return { stage() {}, advance() {}, done() {}, log() {}, stop() {} };
  return stream.isTTY ? barProgress(stream, now) : lineProgress(stream, now);
}

function lineProgress(stream: NodeJS.WriteStream, now: () => number): ShownProgress {
  let stage: Stage | null = null;
  let shownAt = 0;
  const log = (line: string): void => void stream.write(`${printableText(line)}\n`);
  const progress: ShownProgress = {
    stage(name, total, unit, before) {
      progress.done();
      stage = openStage(name, total, unit, before, now());
      shownAt = now();
      log(`${stage.name}: ${total === undefined ? 'begins' : `${count(total)} ${stage.unit}`}`);
    },
    advance(step) {
      if (!stage) return;
      advance(stage, step, now());
      if (now() - shownAt < lineEvery) return;
      shownAt = now();
      log(`${stage.name}: ${stateOf(stage, now())}`);
    },
    done() {
      if (stage) log(`${stage.name}: ${endOf(stage, now())}`);
      stage = null;
    },
    log,
    stop() {
      stage = null;
    },
  };
  return progress;
}

/** The drawing is cli-progress's; numbers and clock are ours, for its own rates follow the wall clock. */
function barProgress(stream: NodeJS.WriteStream, now: () => number): ShownProgress {
  let stage: Stage | null = null;
  let bars: MultiBar | null = null;
  const log = (line: string): void => {
    if (bars) bars.log(`${printableText(line)}\n`);
    else stream.write(`${printableText(line)}\n`);
  };
  const close = (): void => {
    bars?.update(); // writes what was logged since the last drawing
    bars?.stop();
    bars = null;
    stage = null;
  };
  const progress: ShownProgress = {
    stage(name, total, unit, before) {
      progress.done();
      const opened = openStage(name, total, unit, before, now());
      stage = opened;
      bars = openBar(stream, () => `${opened.name} ${barOf(opened)}${stateOf(opened, now())}`);
    },
    advance(step) {
      if (stage) advance(stage, step, now());
    },
    done() {
      if (!stage) return;
      const end = `${stage.name}: ${endOf(stage, now())}`;
      close();
      log(end);
    },
    log,
    stop: close,
  };
  return progress;
}

function openBar(stream: NodeJS.WriteStream, format: () => string): MultiBar {
  const bars = new MultiBar({
    stream,
    format,
    fps: 5,
    clearOnComplete: true,
    forceRedraw: true, // a logged line wipes the bar
    gracefulExit: false, // signals are the command line's
    hideCursor: null,
    linewrap: true, // an escape to switch wrapping off would outlive a killed process
  });
  bars.create(1, 0);
  return bars;
}

interface Stage {
  name: string;
  /** What is counted: documents, layers. */
  unit: string;
  total: number | undefined;
  /** Done before this process began. */
  before: number;
  items: number;
  tokens: number;
  startedAt: number;
  /** Where the counts stood, about once a second, over the last half minute. */
  marks: ({ at: number } & Step)[];
}

function openStage(name: string, total: number | undefined, unit = 'documents', before = 0, at = 0): Stage {
  const marks = [{ at, items: before, tokens: 0 }];
  return { name: printableLine(name), unit, total, before, items: before, tokens: 0, startedAt: at, marks };
}

function advance(stage: Stage, step: Step, at: number): void {
  stage.items += step.items;
  stage.tokens += step.tokens;
  const { marks, items, tokens } = stage;
  if (at - marks.at(-1)!.at < 1000) return;
  marks.push({ at, items, tokens });
  while (marks.length > 2 && at - marks[1].at >= rateOver) marks.shift();
}

/** `24 % (1,200 of 5,000 documents), 3 min 57 s left, 16 documents/s, 4,210 tokens/s`: a narrow terminal cuts the end. */
function stateOf({ unit, total, items, tokens, marks }: Stage, at: number): string {
  const since = (at - marks[0].at) / 1000;
  const perSecond = (now: number, then: number): number => (since > 0 ? (now - then) / since : 0);
  const speed = perSecond(items, marks[0].items);
  const speeds = speedsOf(unit, speed, tokens, perSecond(tokens, marks[0].tokens));
  if (!total) return `${count(items)} ${unit}, ${speeds}`;
  const left = speed === 0 ? '' : `, ${duration((total - items) / speed)} left`;
  const share = Math.floor((100 * items) / total);
  return `${share} % (${count(items)} of ${count(total)} ${unit})${left}, ${speeds}`;
}

/** Tokens stand there only where the stage counts any. */
function speedsOf(unit: string, items: number, tokens: number, tokenRate: number): string {
  return `${rate(items)} ${unit}/s${tokens > 0 ? `, ${rate(tokenRate)} tokens/s` : ''}`;
}

function endOf({ unit, before, items: all, tokens, startedAt }: Stage, at: number): string {
  const seconds = (at - startedAt) / 1000;
  const items = all - before;
  const speeds = speedsOf(unit, items / seconds, tokens, tokens / seconds);
  const counted = `${count(items)} ${unit}${tokens > 0 ? `, ${count(tokens)} tokens` : ''}`;
  return `${counted} in ${duration(seconds)}${seconds > 0 ? ` (${speeds})` : ''}`;
}

function barOf({ total, items }: Stage): string {
  if (!total) return '';
  const full = Math.min(barWidth, Math.floor((barWidth * items) / total));
  return `${'█'.repeat(full)}${'░'.repeat(barWidth - full)} `;
}

const count = (n: number): string => n.toLocaleString('en');

function rate(perSecond: number): string {
  return perSecond >= 10 ? count(Math.round(perSecond)) : String(Number(perSecond.toPrecision(2)));
}

/** `2 h 5 min`, `3 min 57 s`, `0.4 s` */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, Number(seconds.toFixed(1)))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${count(Math.floor(whole / 3600))} h ${Math.floor((whole % 3600) / 60)} min`;
}

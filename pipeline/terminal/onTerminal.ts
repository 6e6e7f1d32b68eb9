/** A stage as a person meets it: its progress and news, its summary, what Ctrl-C does, and the exit code of every ending. */
import { printableText } from '../../operators/report/printableText.ts';
import type { StageHooks } from '../stages/stageHooks.ts';
import { failureOf } from './failure.ts';
import { createProgress } from './progress.ts';
import { listenForStop, processSignals, type SignalSource } from './stopSignals.ts';

/** Where a stage writes, and what stops it; a test gives its own. */
export interface Terminal {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  signals: SignalSource;
}

export const realTerminal: Terminal = { stdout: process.stdout, stderr: process.stderr, signals: processSignals };

/** Runs the stage and gives its exit code: 129, 130 or 143 where a signal stopped it. Throws what the stage throws. */
export async function onTerminal(
  { quiet }: { quiet: boolean },
  { stdout, stderr, signals }: Terminal,
  stage: (hooks: StageHooks) => Promise<{ exitCode?: number; summary: string }>,
): Promise<number> {
  const progress = createProgress({ stream: stderr, quiet });
  const stop = listenForStop(signals, (signal) =>
    progress.log(`${signal}: stopping after the batches in flight; once more to stop at once`),
  );
  try {
    const { exitCode = 0, summary } = await stage({ progress, signal: stop.aborted, log: progress.log });
    progress.stop();
    if (summary) stdout.write(`${printableText(summary)}\n`);
    return stop.exitCode() ?? exitCode;
  } catch (error) {
    progress.stop();
    const stopped = stop.exitCode();
    if (stopped === null || !isAbort(error, stop.aborted)) throw error;
    return stopped;
  } finally {
    stop.close();
  }
}

/** Whether an error only says that work was stopped as asked. */
function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}

/** The exit code that `work` gives, or that of the error it throws, whose text goes to `stderr`. */
export async function reported(work: () => Promise<number>, stderr: NodeJS.WriteStream): Promise<number> {
  try {
    return await work();
  } catch (error) {
    const { text, exitCode } = failureOf(error);
    stderr.write(`${printableText(text)}\n`);
    return exitCode;
  }
}

/** Lets `work`, which throws nothing, decide how the whole process ends. */
export async function wholeProcess(work: () => Promise<number>): Promise<void> {
  process.stdout.on('error', ignoreNoReader);
  process.stderr.on('error', ignoreNoReader);
  process.on('uncaughtException', (error) => {
    const { text, exitCode } = failureOf(error);
    process.stderr.write(`${printableText(text)}\n`);
    process.exit(exitCode);
  });
  process.exitCode = await work();
}

/** `headwater run … | head` closes the pipe, a window that is closed its terminal: the run goes on, unread. */
function ignoreNoReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
}

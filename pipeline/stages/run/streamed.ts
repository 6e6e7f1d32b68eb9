/** What one pass over the corpus leaves behind: the folds' states, what was read, and how long each part took. */
import type { Tally } from '../../checkpoints/checkpointFiles.ts';
import type { JournalEntry } from '../../checkpoints/journal.ts';
import type { OpenFold } from '../../operators/folds.ts';
import type { RunFolds } from './pass.ts';

export interface Streamed {
  folds: RunFolds;
  custom: OpenFold[];
  /** read and lost make up the rows of the run: every one of them is scored, set aside or lost. */
  tally: Tally;
  /** What was set aside, and the scores where they are kept, in reading order; may be asked for more than once. */
  entries(): AsyncIterable<JournalEntry>;
}

/** Seconds of each part of a run, by a clock that never goes back. */
export class Clock {
  readonly seconds: Record<string, number> = {};
  private since = performance.now();

  /** Ends a part; `seconds` where it was timed elsewhere. */
  lap(name: string, seconds?: number): void {
    const now = performance.now();
    this.seconds[name] = seconds ?? (now - this.since) / 1000;
    this.since = now;
  }
}

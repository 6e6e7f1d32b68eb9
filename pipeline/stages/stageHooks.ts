/** What a stage tells the terminal through, and how it is told to stop. */
import type { Progress } from '../terminal/progress.ts';

/** What a stage is given beside its configuration. */
export interface StageHooks {
  progress: Progress;
  /** Aborted when the user asks to stop: the stage ends between batches. */
  signal: AbortSignal;
  log(line: string): void;
}

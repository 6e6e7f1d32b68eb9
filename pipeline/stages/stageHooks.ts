/** What a stage tells the terminal through, and how it is told to stop. */
import type { Supervision } from '../supervisor/supervision.ts';
import type { Progress } from '../terminal/progress.ts';

/** What a stage is given beside its configuration. */
export interface StageHooks {
  progress: Progress;
  /** Aborted when the user asks to stop: the stage ends between batches. */
  signal: AbortSignal;
  log(line: string): void;
  /** Who is told what is in flight; `unsupervised` where nobody watches. */
  supervision?: Supervision;
  /** False: what the run folder holds is begun again, not gone on with. */
  resume?: boolean;
}

/** What the supervisor and its compute process send each other. */
import type { Configuration } from '../../schemas/configuration.ts';
import type { Shard } from '../checkpoints/shards.ts';
import type { Caution, KeyRange } from './supervision.ts';

/** The first message to a compute process. The configuration goes with it: the file may be edited while the run goes on. */
export interface Start {
  configuration: Configuration;
  shard: Shard | null;
  caution: Caution;
  resume: boolean;
  quiet: boolean;
}

export type News =
  | { kind: 'begin' | 'end'; work: KeyRange }
  | { kind: 'tokens'; total: number }
  | { kind: 'checkpointed'; key: number }
  /** The run is over, and the process cannot end by itself: it is to be ended. */
  | { kind: 'over'; exitCode: number };

/** How a run is divided: which part, and where its folders are. */
import { join } from 'node:path';

/** Shard `index` (from 1) of `count`. */
export interface Shard {
  index: number;
  count: number;
}

/** Where a shard of the run in `out` stands once it is whole. */
export const shardFolder = (out: string, { index, count }: Shard): string =>
  join(out, 'shards', `${index}-of-${count}`);

/** The run folder of the pass over a shard, which holds its checkpoints until it is whole. */
export const shardOut = (out: string, shard: Shard): string => `${shardFolder(out, shard)}.working`;

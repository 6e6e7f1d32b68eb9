/** Clears the cache folder of what killed processes left, and has the notices of its files go where the stage's do. */
import { tellNotices } from '../../operators/files/damagedFile.ts';
import { removeLeftovers } from '../../operators/files/leftovers.ts';
import type { StageHooks } from './stageHooks.ts';

/** Before a stage uses the cache. */
export async function tidyCache(cache: string, { log }: Pick<StageHooks, 'log'>): Promise<void> {
  tellNotices(log);
  const removed = await removeLeftovers(cache);
  if (removed > 0) log(`cache: removed ${removed} unfinished files or folders that ended processes left in ${cache}`);
}

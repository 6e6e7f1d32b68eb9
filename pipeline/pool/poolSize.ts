/** How many workers a run starts and how many batches it keeps in flight, where the configuration leaves that open. */
import type { PoolSettings } from '../../schemas/configuration.ts';
import { availableCores } from '../machine/availableCores.ts';

/** The pool's settings with every number known. */
export interface PoolSize {
  workers: number;
  threadsPerWorker: number;
  /** Batches in flight. */
  credits: number;
  prepack: boolean;
}

export function poolSize(pool: PoolSettings, cores = availableCores()): PoolSize {
  const workers = pool.workers ?? Math.max(1, Math.floor(cores / pool.threadsPerWorker));
  return { ...pool, workers, credits: pool.credits ?? 2 * workers };
}

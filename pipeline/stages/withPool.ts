/** Lends a stage the pool: opened for it, told when the user asks to stop, closed whatever happens. */
import { StoppedError, WorkerPool } from '../pool/workerPool.ts';
import type { PreparedModel } from './prepare.ts';
import type { StageHooks } from './stageHooks.ts';

/** What `work` gives. Throws the signal's reason where the user's stop ended a task that `work` could not do without. */
export async function withPool<T>(
  { pool: size, facts, configuration }: Pick<PreparedModel, 'pool' | 'facts' | 'configuration'>,
  { signal }: Pick<StageHooks, 'signal'>,
  work: (pool: WorkerPool) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const pool = new WorkerPool(size.workers, facts, configuration.batchTokens);
  const stop = () => pool.stop();
  signal.addEventListener('abort', stop);
  try {
    return await work(pool);
  } catch (error) {
    if (error instanceof StoppedError) signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    await pool.close();
  }
}

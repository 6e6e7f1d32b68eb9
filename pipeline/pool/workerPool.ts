/** The Piscina pool: tasks go to worker threads that live until the run ends and are never terminated while they compute. */
import { Piscina } from 'piscina';
import type { DocumentColumns } from '../../schemas/batches.ts';
import { HeadwaterError } from '../../schemas/errors.ts';
import type { RunFacts } from '../../schemas/operators.ts';
import type { OperatorSpec } from '../operators/loadOperator.ts';
import { type PoolAnswer, type PoolTask, STOP, STOPPED, TOKENS } from './poolWorker.ts';

/** A task ended early because the run was asked to stop. */
export class StoppedError extends HeadwaterError {}

export class WorkerPool {
  readonly workers: number;
  private readonly piscina: Piscina;
  private readonly facts: RunFacts;
  private readonly batchTokens: number;
  private readonly signals = new Int32Array(new SharedArrayBuffer(8));
  /** Rejects when a thread dies outside a task, for Piscina then leaves the tasks that wait unanswered. */
  private readonly died: Promise<never>;

  constructor(workers: number, facts: RunFacts, batchTokens: number) {
    this.workers = workers;
    this.facts = facts;
    this.batchTokens = batchTokens;
    this.piscina = new Piscina({
      filename: new URL('./poolThread.js', import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
      // Each worker keeps its sessions for life: onnxruntime leaks re-created ones.
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      recordTiming: false,
      // Closing waits for the task at hand, however long a gradient takes.
      closeTimeout: 2 ** 31 - 1,
    });
    this.died = new Promise((_, reject) => this.piscina.on('error', reject));
    this.died.catch(() => {}); // met by whoever waits for a task
  }

  /** The batch that comes of `batch`. Throws HeadwaterError; `StoppedError` where the pool was asked to stop. */
  async run<Out extends DocumentColumns>(
    kind: PoolTask['kind'],
    operators: OperatorSpec[],
    batch: DocumentColumns,
  ): Promise<Out> {
    const { facts, batchTokens, signals } = this;
    const task: PoolTask = { kind, operators, facts, batchTokens, batch, signals };
    const answer = (await Promise.race([this.piscina.run(task), this.died]).catch(threadDied)) as PoolAnswer;
    if ('batch' in answer) return answer.batch as Out;
    const { message, exitCode, stack } = answer.failure;
    if (exitCode === STOPPED) throw new StoppedError(message, exitCode);
    throw new HeadwaterError(message, exitCode, { cause: stack });
  }

  /** Tokens that carried loss, over all workers, so far: grows while a slice is at work. Wraps at 2^32. */
  get tokens(): number {
    return Atomics.load(this.signals, TOKENS) >>> 0;
  }

  /** Asks tasks to end between two gradient runs; they reject with 'stopped'. */
  stop(): void {
    Atomics.store(this.signals, STOP, 1);
  }

  /** Waits for the gradient calls at hand and ends the threads; tasks that are left are dropped. */
  async close(): Promise<void> {
    this.stop();
    await this.piscina.close({ force: true });
  }
}

function threadDied(cause: NodeJS.ErrnoException): never {
  if (cause.code === 'ERR_WORKER_OUT_OF_MEMORY') throw cause;
  throw new HeadwaterError(`a worker thread ended before its task did: ${cause.message}`, THREAD_DIED, { cause });
}

const THREAD_DIED = 70;

/** The Piscina pool: tasks go to worker threads that live until the run ends and are never terminated while they compute. */
import { setTimeout } from 'node:timers/promises';
import { Piscina } from 'piscina';
import type { DocumentColumns } from '../../schemas/batches.ts';
import { HeadwaterError } from '../../schemas/errors.ts';
import type { RunFacts } from '../../schemas/operators.ts';
import type { OperatorSpec } from '../operators/loadOperator.ts';
import { OperatorError } from './operatorError.ts';
import {
  type BatchTask,
  type PoolAnswer,
  type PoolFailure,
  type PoolTask,
  RUNNING,
  SIGNALS,
  STOP,
  STOPPED,
  TOKENS,
} from './poolWorker.ts';

/** A task ended early because the run was asked to stop. */
export class StoppedError extends HeadwaterError {}

/** A thread ended inside a task, and the process is to end of it. */
export class ThreadDiedError extends HeadwaterError {}

export class WorkerPool {
  readonly workers: number;
  private readonly piscina: Piscina;
  private readonly facts: RunFacts;
  private readonly batchTokens: number;
  private readonly signals = new Int32Array(new SharedArrayBuffer(4 * SIGNALS));
  /** How to fail each task that is not answered yet. */
  private readonly waiting = new Set<(fault: Error) => void>();
  /** Why a thread died outside a task: Piscina then leaves the tasks that wait unanswered. */
  private fault: Error | null = null;

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
    this.piscina.on('error', (fault: Error) => {
      this.fault = fault;
      for (const fail of this.waiting) fail(fault);
    });
  }

  /** The batch that comes of `batch`. Throws HeadwaterError; `StoppedError` where the pool was asked to stop. */
  async run<Out extends DocumentColumns>(
    kind: BatchTask['kind'],
    operators: OperatorSpec[],
    batch: DocumentColumns,
  ): Promise<Out> {
    const { facts, batchTokens, signals } = this;
    return (await this.output({ kind, operators, facts, batchTokens, batch, signals })) as Out;
  }

  /** What a built-in job makes of `input`: plain data, of which shared arrays are not copied. Throws as `run` does. */
  async job<Input, Output>(operator: OperatorSpec, input: Input): Promise<Output> {
    const { facts, signals } = this;
    return (await this.output({ kind: 'job', operator, input, facts, signals })) as Output;
  }

  private async output(task: PoolTask): Promise<unknown> {
    const answer = (await this.answer(task).catch(threadDied)) as PoolAnswer;
    if ('output' in answer) return answer.output;
    throw errorOf(answer.failure);
  }

  /** Tokens that carried loss, over all workers, so far: grows while a slice is at work. Wraps at 2^32. */
  get tokens(): number {
    return Atomics.load(this.signals, TOKENS) >>> 0;
  }

  /** Asks tasks to end between two gradient runs; they reject with 'stopped'. */
  stop(): void {
    Atomics.store(this.signals, STOP, 1);
  }

  /**
   * Waits for the gradient calls at hand and ends the threads. Piscina's own `close` may end a thread inside a task when several are
   * busy, which inside onnxruntime aborts the process: it is called once none is.
   */
  async close(): Promise<void> {
    this.stop();
    while (this.isBusy()) await setTimeout(20);
    await this.piscina.close({ force: true });
  }

  private answer(task: PoolTask): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.fault) reject(this.fault);
      this.waiting.add(reject);
      this.piscina
        .run(task)
        .then(resolve, reject)
        .finally(() => this.waiting.delete(reject));
    });
  }

  /** Where a thread could not start, tasks are left that nobody will answer: what counts then is whether any thread is inside one. */
  private isBusy(): boolean {
    return this.fault ? Atomics.load(this.signals, RUNNING) > 0 : this.waiting.size > 0;
  }
}

function errorOf({ message, exitCode, stack, operator }: PoolFailure): HeadwaterError {
  if (exitCode === STOPPED) return new StoppedError(message, exitCode);
  const options = { cause: stack };
  if (operator) return new OperatorError(message, exitCode, operator.name, operator.reason, options);
  return new HeadwaterError(message, exitCode, options);
}

/** The supervisor takes this exit code for a death: the run goes on from its checkpoint. */
function threadDied(cause: NodeJS.ErrnoException): never {
  const advice = cause.code === 'ERR_WORKER_OUT_OF_MEMORY' ? ': set fewer pool.workers' : '';
  throw new ThreadDiedError(`a worker thread ended before its task did: ${cause.message}${advice}`, THREAD_DIED, {
    cause,
  });
}

const THREAD_DIED = 70;

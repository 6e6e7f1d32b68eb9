/**
 * The pool's tasks one after the other in this thread: small runs spend their time on starting threads otherwise. A test that mocks
 * pipeline/pool/workerPool.ts with it still goes through the tasks, their operators and their order.
 */
import answerTask, { type PoolTask, SIGNALS, STOP, STOPPED, TOKENS } from '../../../pipeline/pool/poolWorker.ts';
import { HeadwaterError } from '../../../schemas/errors.ts';
import type { RunFacts } from '../../../schemas/operators.ts';

type PoolModule = typeof import('../../../pipeline/pool/workerPool.ts');
type Pool = InstanceType<PoolModule['WorkerPool']>;

/** What stands in for the module that `original` gives. */
export async function poolWithoutThreads(original: () => Promise<unknown>): Promise<object> {
  const module = (await original()) as PoolModule;
  class WorkerPool extends PoolInThisThread {
    constructor(workers: number, facts: RunFacts, batchTokens: number) {
      super(workers, facts, batchTokens, module.StoppedError);
    }
  }
  return { ...module, WorkerPool };
}

class PoolInThisThread implements Pick<Pool, 'run' | 'job' | 'stop' | 'close' | 'tokens' | 'workers'> {
  readonly workers: number;
  private readonly facts: RunFacts;
  private readonly batchTokens: number;
  private readonly StoppedError: PoolModule['StoppedError'];
  private readonly signals = new Int32Array(new SharedArrayBuffer(4 * SIGNALS));
  private last: Promise<unknown> = Promise.resolve();

  constructor(workers: number, facts: RunFacts, batchTokens: number, StoppedError: PoolModule['StoppedError']) {
    this.workers = workers;
    this.facts = facts;
    this.batchTokens = batchTokens;
    this.StoppedError = StoppedError;
  }

  run: Pool['run'] = async (kind, operators, batch) => {
    const { facts, batchTokens, signals } = this;
    return (await this.output({ kind, operators, facts, batchTokens, batch, signals })) as never;
  };

  job: Pool['job'] = async (operator, input) => {
    const { facts, signals } = this;
    return (await this.output({ kind: 'job', operator, input, facts, signals })) as never;
  };

  private async output(task: PoolTask): Promise<unknown> {
    const answer = this.last.then(() => answerTask(task));
    this.last = answer;
    const answered = await answer;
    if ('output' in answered) return answered.output;
    const { message, exitCode, stack } = answered.failure;
    throw new (exitCode === STOPPED ? this.StoppedError : HeadwaterError)(message, exitCode, { cause: stack });
  }

  get tokens(): number {
    return this.signals[TOKENS] >>> 0;
  }

  stop(): void {
    this.signals[STOP] = 1;
  }

  async close(): Promise<void> {
    this.stop();
    await this.last;
  }
}

/** The entry of a worker thread: opens the operators a task names, once for life, and runs the task. */
import type { DocumentColumns } from '../../schemas/batches.ts';
import { HeadwaterError } from '../../schemas/errors.ts';
import type { JobOperator, RunFacts } from '../../schemas/operators.ts';
import { loadJob, type OperatorSpec } from '../operators/loadOperator.ts';
import { type OpenOperator, openOperator } from '../operators/openOperator.ts';
import { runChain, runFused } from './fusedTask.ts';
import { OperatorError } from './operatorError.ts';

export type PoolTask = BatchTask | JobTask;

/** 'fused' runs a slice from documents to scores, 'project' one part from token windows to projected gradients. */
export interface BatchTask extends TaskFacts {
  kind: 'fused' | 'project';
  operators: OperatorSpec[];
  batchTokens: number;
  batch: DocumentColumns;
}

/** Work on plain data that is no step of the flow. */
export interface JobTask extends TaskFacts {
  kind: 'job';
  operator: OperatorSpec;
  input: unknown;
}

interface TaskFacts {
  facts: RunFacts;
  /** Shared with the main thread: at the places below. */
  signals: Int32Array;
}

/** 1 once tasks are to end. */
export const STOP = 0;
/** Tokens that carried loss, done so far. */
export const TOKENS = 1;
/** Tasks that threads are inside of. */
export const RUNNING = 2;
export const SIGNALS = 3;
/** The exit code by which the main thread knows a task that was asked to stop. */
export const STOPPED = 130;

const open = new Map<string, Promise<OpenOperator>>();
const openJobs = new Map<string, Promise<(input: unknown) => unknown>>();

/** What a task comes back with: an error's class would be lost between threads, what it says is not. */
export type PoolAnswer = { output: unknown } | { failure: PoolFailure };

export interface PoolFailure {
  message: string;
  exitCode: number;
  stack: string;
  /** Where an operator failed on a batch: its name and its own words. */
  operator?: { name: string; reason: string };
}

export default async function answerTask(task: PoolTask): Promise<PoolAnswer> {
  Atomics.add(task.signals, RUNNING, 1);
  try {
    return { output: await runTask(task) };
  } catch (error) {
    return { failure: failureOf(error) };
  } finally {
    Atomics.sub(task.signals, RUNNING, 1);
  }
}

function failureOf(error: unknown): PoolFailure {
  const { message = String(error), exitCode = 1, stack = '' } = (error ?? {}) as Partial<HeadwaterError>;
  if (!(error instanceof OperatorError)) return { message, exitCode, stack };
  return { message, exitCode, stack, operator: { name: error.operator, reason: error.reason } };
}

async function runTask(task: PoolTask): Promise<unknown> {
  // A thread must not be ended inside onnxruntime: a stopped run ends between two calls.
  const expectRunning = () => {
    if (Atomics.load(task.signals, STOP) === 1) throw new HeadwaterError('stopped', STOPPED);
  };
  expectRunning();
  if (task.kind === 'job') {
    const run = await openOnce(openJobs, task.operator, task.facts, openJob);
    expectRunning();
    return run(task.input);
  }
  return runBatch(task, expectRunning);
}

async function runBatch(
  { kind, operators, facts, batchTokens, batch, signals }: BatchTask,
  expectRunning: () => void,
): Promise<DocumentColumns> {
  const chain = await openAll(operators, facts);
  expectRunning();
  if (kind === 'project') return runChain(chain, batch);
  return runFused(chain, batch, batchTokens, (tokens) => {
    Atomics.add(signals, TOKENS, tokens);
    expectRunning();
  });
}

/** Waits for every operator even where one fails: a task that ended while another's session is being made would take the process with it. */
async function openAll(operators: OperatorSpec[], facts: RunFacts): Promise<OpenOperator[]> {
  const opened = await Promise.allSettled(operators.map((spec) => openOnce(open, spec, facts, openOperator)));
  return opened.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

/** What `make` gives for an operator, made once in this thread's life. */
function openOnce<Open>(
  opened: Map<string, Promise<Open>>,
  spec: OperatorSpec,
  facts: RunFacts,
  make: (spec: OperatorSpec, facts: RunFacts) => Promise<Open>,
): Promise<Open> {
  const key = JSON.stringify([spec, facts]);
  const known = opened.get(key) ?? make(spec, facts);
  opened.set(key, known);
  return known;
}

async function openJob({ module, settings }: OperatorSpec, facts: RunFacts): Promise<(input: unknown) => unknown> {
  const job: JobOperator = await loadJob(module);
  return job.open(settings, facts);
}

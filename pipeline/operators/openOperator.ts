/** Opens a map; a user's own is bounded in time, and what it gives is checked before anything else sees it. */
import type { DocumentColumns } from '../../schemas/batches.ts';
import { HeadwaterError, InputError } from '../../schemas/errors.ts';
import type { MapOperator, Noun, RunFacts } from '../../schemas/operators.ts';
import { describeValue } from './expectColumns.ts';
import { expectOutput, identityOf } from './expectOutput.ts';
import { fileOf, isBuiltIn, loadOperator, OPEN_SECONDS, type OperatorSpec } from './loadOperator.ts';
import { withinSeconds } from './withinSeconds.ts';

type Run = (batch: unknown) => unknown;

export interface OpenOperator {
  name: string;
  takes: Noun;
  gives: Noun;
  run: Run;
  /** What a user's own operator is, where it runs and from which file: for errors. */
  origin?: string;
}

/** Throws InputError that names the operator and its file where it cannot be loaded or opened, or is not open after `seconds`. */
export async function openOperator(spec: OperatorSpec, facts: RunFacts, seconds = OPEN_SECONDS): Promise<OpenOperator> {
  const operator = (await loadOperator(spec.module, seconds)) as MapOperator;
  const { name, takes, gives, lane } = operator;
  // Copies: what an operator writes into its settings changes nobody else's.
  const open = async () => expectRun(await operator.open(structuredClone(spec.settings), structuredClone(facts)));
  if (isBuiltIn(spec.module)) return { name, takes, gives, run: await named(open, name) };
  const origin = `${takes} to ${gives} in the ${lane}, ${fileOf(spec.module)}`;
  const late = () => new Error(`it was not open after ${seconds} s: does it await what never comes?`);
  const run = await named(() => withinSeconds(open(), seconds, late), `${name} (${origin})`);
  return { name, takes, gives, origin, run: checked(run, gives, facts) };
}

function expectRun(run: unknown): Run {
  if (typeof run === 'function') return run as Run;
  throw new Error(`expected open to give a function, got ${describeValue(run)}`);
}

async function named(open: () => Promise<Run>, who: string): Promise<Run> {
  try {
    return await open();
  } catch (cause) {
    if (cause instanceof HeadwaterError) throw cause;
    throw new InputError(`operator ${who} could not be opened: ${(cause as Error)?.message ?? cause}`, { cause });
  }
}

/** With its output checked, and copied where it goes on to others: an operator may use its buffers again. */
function checked(run: Run, gives: Noun, { queries }: RunFacts): Run {
  return async (batch) => {
    const before = identityOf(batch as DocumentColumns);
    const output = await run(batch);
    expectOutput(output, gives, before, queries.length);
    // Windows and gradients are large, and done with before the operator runs again.
    return gives === 'documents' || gives === 'scores' ? structuredClone(output) : output;
  };
}

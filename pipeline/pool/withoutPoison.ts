/** Runs a batch without the documents on which an operator fails: they are found by halving, and set aside with the operator's words. */
import { oneLine } from '../../operators/report/oneLine.ts';
import { printableLine } from '../../operators/report/printableText.ts';
import { type DocumentColumns, setAside } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import { OperatorError } from './operatorError.ts';
import { leaveOut, selectRows } from './selectRows.ts';

export interface PoisonPolicy {
  /** Whether a document on which an operator fails is set aside, or ends the run. */
  onBadRow: 'setAside' | 'fail';
  /** The corpus's files, by the batch's `file`. */
  files: readonly string[];
}

/** The faults of single documents, by their index into the batch. */
type Poison = Map<number, OperatorError>;

/**
 * What `run` makes of `batch`. Where an operator fails, halves of the batch are run for their errors alone until the documents that
 * fail by themselves are found: at most 2 ⌈log₂ B⌉ runs each. The rest is then run whole, so that its numbers are those of a batch
 * without them. It is no document's fault where none fails by itself, nor where all of several do: the error then ends the run, as
 * does every error that is no operator's (a stop, a dead thread, a full disk or memory, a cache of something else).
 */
export async function withoutPoison<In extends DocumentColumns, Out extends DocumentColumns>(
  batch: In,
  run: (batch: In) => Promise<Out>,
  policy: PoisonPolicy,
): Promise<Out> {
  try {
    return await run(batch);
  } catch (error) {
    if (!mayBePoison(error)) throw error;
    const poison = await findPoison(batch, run, error);
    if (poison.size === 0 || (poison.size === batch.key.length && poison.size > 1)) throw error;
    if (policy.onBadRow === 'fail') throw namedDocument(batch, poison, policy.files);
    const aside = Array.from(poison, ([b, fault]) => setAside(batch, b, 'operator', detailOf(fault)));
    return await run(leaveOut(batch, aside));
  }
}

/** Exit code 3 is an operator's own failure: others stand for what no document brings about. */
function mayBePoison(error: unknown): error is OperatorError {
  return error instanceof OperatorError && error.exitCode === 3;
}

/** `error` is what the whole batch ended with: a batch of one document is not run again. */
async function findPoison<In extends DocumentColumns>(
  batch: In,
  run: (batch: In) => Promise<unknown>,
  error: OperatorError,
): Promise<Poison> {
  const poison: Poison = new Map();
  const search = async (rowStart: number, rowEnd: number, error: OperatorError): Promise<void> => {
    if (rowEnd - rowStart === 1) poison.set(rowStart, error);
    if (rowEnd - rowStart <= 1) return;
    const middle = (rowStart + rowEnd) >>> 1;
    for (const [start, end] of [
      [rowStart, middle],
      [middle, rowEnd],
    ]) {
      const fault = await faultOf(() => run(selectRows(batch, rowsBetween(start, end))));
      if (fault) await search(start, end, fault);
    }
  };
  await search(0, batch.key.length, error);
  return poison;
}

async function faultOf(run: () => Promise<unknown>): Promise<OperatorError | null> {
  try {
    await run();
    return null;
  } catch (error) {
    if (mayBePoison(error)) return error;
    throw error;
  }
}

const rowsBetween = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);

const DETAIL_WIDTH = 300;

const detailOf = ({ operator, reason }: OperatorError): string => oneLine(`${operator}: ${reason}`, DETAIL_WIDTH);

function namedDocument(batch: DocumentColumns, poison: Poison, files: readonly string[]): InputError {
  const [b, cause] = poison.entries().next().value as [number, OperatorError];
  const where = `row ${batch.row[b]} of ${printableLine(files[batch.file[b]])}`;
  return new InputError(
    `operator ${cause.operator} failed on document ${printableLine(batch.id[b])} (${where}): ${oneLine(cause.reason, DETAIL_WIDTH)}: ` +
      'mend the operator, leave the document out, or set corpus.onBadRow: setAside',
    { cause },
  );
}

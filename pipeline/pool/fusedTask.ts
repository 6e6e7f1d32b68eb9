/** Runs adjacent pool operators on one slice inside one worker task: only the scores leave the thread. */
import { gatherScores } from '../../operators/scores/gatherScores.ts';
import { packWindows } from '../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../operators/tokens/selectWindows.ts';
import type { DocumentColumns, ScoreBatch, TokenWindowBatch } from '../../schemas/batches.ts';
import { HeadwaterError } from '../../schemas/errors.ts';
import type { OpenOperator } from '../operators/openOperator.ts';
import { OperatorError } from './operatorError.ts';

/**
 * A slice through the chain. Token windows are packed into parts of at most `batchTokens` padded tokens before gradients are taken,
 * and their scores gathered behind, so that no more than one part's gradients are in memory. `between` is called with the tokens of
 * each part done; what it throws ends the task there.
 */
export async function runFused(
  chain: OpenOperator[],
  slice: DocumentColumns,
  batchTokens: number,
  between: (tokens: number) => void,
): Promise<DocumentColumns> {
  const first = chain.findIndex(({ takes, gives }) => takes === 'tokenWindows' && gives !== 'tokenWindows');
  if (first < 0) return runChain(chain, slice);
  const last = chain.findIndex(({ gives }) => gives === 'scores');
  const windows = await runChain<TokenWindowBatch>(chain.slice(0, first), slice);
  const parts: ScoreBatch[] = [];
  for (const chosen of packWindows(windows.windows, batchTokens).batches) {
    const part = await runChain<ScoreBatch>(chain.slice(first, last + 1), selectWindows(windows, chosen));
    parts.push(part);
    between(part.tokens.reduce((sum, tokens) => sum + tokens, 0));
  }
  const { windows: _, ...columns } = windows;
  return runChain(chain.slice(last + 1), gatherScores(columns, parts));
}

/** One batch through operators that follow each other. Throws OperatorError that names the operator and where it happened. */
export async function runChain<Out>(chain: OpenOperator[], batch: DocumentColumns): Promise<Out> {
  let current: unknown = batch;
  for (const operator of chain)
    try {
      current = await operator.run(current);
    } catch (cause) {
      throw operatorFailed(operator, batch, cause);
    }
  return current as Out;
}

function operatorFailed({ name, origin }: OpenOperator, batch: DocumentColumns, cause: unknown): HeadwaterError {
  const where = `batch ${batch.batch}, ${batch.key.length} documents from row ${batch.row[0]} of file ${batch.file[0]}`;
  const reason = String((cause as Error | undefined)?.message ?? cause);
  const message = `operator ${name} failed on ${where}: ${reason}${origin ? ` (${origin})` : ''}`;
  const exitCode = isOutOfMemory(cause, reason) ? 6 : cause instanceof HeadwaterError ? cause.exitCode : 3;
  return new OperatorError(message, exitCode, name, reason, { cause });
}

/** As Node's system calls, V8 and onnxruntime say it: no document's fault, however small its batch. */
function isOutOfMemory(cause: unknown, reason: string): boolean {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  return (
    /^(ENOMEM|EMFILE|ENFILE|ENOSPC)$/.test(code ?? '') ||
    /Array buffer allocation failed|std::bad_alloc|Failed to allocate memory/i.test(reason)
  );
}

/** Runs adjacent pool operators on one slice inside one worker task: only the scores leave the thread. */
import { gatherScores } from '../../operators/scores/gatherScores.ts';
import { packWindows } from '../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../operators/tokens/selectWindows.ts';
import type { DocumentColumns, ScoreBatch, TokenWindowBatch } from '../../schemas/batches.ts';
import { HeadwaterError } from '../../schemas/errors.ts';
import type { MapOperator, Noun, RunFacts } from '../../schemas/operators.ts';
import { loadOperator, type OperatorSpec } from '../operators/loadOperator.ts';

export interface OpenOperator {
  name: string;
  takes: Noun;
  gives: Noun;
  run(batch: unknown): unknown;
}

/** Opens map operators in the order given; a fused chain's nouns must follow each other. */
export async function openOperator(spec: OperatorSpec, facts: RunFacts): Promise<OpenOperator> {
  const operator = (await loadOperator(spec.module)) as MapOperator;
  const run = await openNamed(operator, spec, facts);
  return { name: operator.name, takes: operator.takes, gives: operator.gives, run: run as OpenOperator['run'] };
}

async function openNamed(operator: MapOperator, spec: OperatorSpec, facts: RunFacts) {
  try {
    return await operator.open(spec.settings, facts);
  } catch (cause) {
    if (cause instanceof HeadwaterError) throw cause;
    throw new HeadwaterError(
      `operator ${operator.name} could not be opened: ${(cause as Error)?.message ?? cause}`,
      3,
      { cause },
    );
  }
}

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

/** One batch through operators that follow each other; an error names the operator and where it happened. */
export async function runChain<Out>(chain: OpenOperator[], batch: DocumentColumns): Promise<Out> {
  let current: unknown = batch;
  for (const operator of chain)
    try {
      current = await operator.run(current);
    } catch (cause) {
      const where = `batch ${batch.batch}, ${batch.key.length} documents from row ${batch.row[0]} of file ${batch.file[0]}`;
      const { message = String(cause), exitCode = 3 } = (cause ?? {}) as Partial<HeadwaterError>;
      throw new HeadwaterError(`operator ${operator.name} failed on ${where}: ${message}`, exitCode, { cause });
    }
  return current as Out;
}

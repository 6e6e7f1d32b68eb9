/** Counts what was read, what was scored and what was set aside for which reason, and sums tokens and losses. */
import type { ScoreBatch, SetAsideReason } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';

export interface DocumentCountsState {
  scored: number;
  setAside: Record<SetAsideReason, number>;
  /** Labels that carried loss. */
  tokens: number;
  /** Nats: numbers whose exact sum is the sum of all losses, so that it has the same bits however batches are split. */
  loss: number[];
}

/** `read = scored + the sum of setAside`. */
export interface DocumentCounts {
  read: number;
  scored: number;
  setAside: Record<SetAsideReason, number>;
  /** Labels that carried loss. */
  tokens: number;
  /** Summed negative log-likelihood of the scored documents, nats. */
  loss: number;
}

export const documentCounts: FoldOperator<DocumentCountsState, DocumentCounts> = {
  kind: 'fold',
  name: 'document_counts',
  takes: 'scores',
  empty: () => ({
    scored: 0,
    setAside: {
      'null text': 0,
      'empty text': 0,
      'whitespace only': 0,
      'one token': 0,
      'invalid text': 0,
      'not finite': 0,
      operator: 0,
      crash: 0,
      deadline: 0,
      unreadable: 0,
    },
    tokens: 0,
    loss: [],
  }),
  add: (state, { key, setAside, tokens, loss }: ScoreBatch) => {
    state.scored += key.length;
    for (const { reason } of setAside) ++state.setAside[reason];
    for (let b = 0; b < key.length; ++b) {
      state.tokens += tokens[b];
      addExactly(state.loss, loss[b]);
    }
  },
  merge: (into, from) => {
    into.scored += from.scored;
    for (const reason of Object.keys(into.setAside) as SetAsideReason[]) into.setAside[reason] += from.setAside[reason];
    into.tokens += from.tokens;
    for (const part of from.loss) addExactly(into.loss, part);
  },
  result: ({ scored, setAside, tokens, loss }) => ({
    read: scored + Object.values(setAside).reduce((sum, count) => sum + count, 0),
    scored,
    setAside: { ...setAside },
    tokens,
    loss: rounded(loss),
  }),
};

/**
 * Adds x to a sum kept as non-overlapping parts of rising magnitude, with no rounding (Shewchuk 1997; the method of Python's fsum).
 * A sum of n float64 numbers needs about 40 parts at most, and in practice two.
 */
function addExactly(parts: number[], x: number): void {
  let kept = 0;
  for (const part of parts) {
    const [large, small] = Math.abs(x) < Math.abs(part) ? [part, x] : [x, part];
    const sum = large + small;
    const error = small - (sum - large);
    if (error !== 0) parts[kept++] = error;
    x = sum;
  }
  parts.length = kept;
  parts.push(x);
}

/** The float64 nearest to the exact sum of the parts. */
function rounded(parts: number[]): number {
  let i = parts.length - 1;
  if (i < 0) return 0;
  let sum = parts[i];
  let error = 0;
  while (i > 0 && error === 0) {
    const before = sum;
    sum = before + parts[--i];
    error = parts[i] - (sum - before);
  }
  // halfway between two numbers, the next part decides
  if (i > 0 && Math.sign(parts[i - 1]) === Math.sign(error) && sum + 2 * error - sum === 2 * error) sum += 2 * error;
  return sum;
}

/** A stand-in for gradients and their join that costs next to nothing: pseudo-scores from token ids, so that folds have work. */
import type { ScoreBatch, TokenWindowBatch } from '../schemas/batches.ts';
import type { MapOperator } from '../schemas/operators.ts';

const noopGradients: MapOperator<'tokenWindows', 'scores'> = {
  kind: 'map',
  name: 'noopGradients',
  takes: 'tokenWindows',
  gives: 'scores',
  lane: 'pool',
  open: (_, { queries }) => {
    return (batch) => pseudoScores(batch, queries.length);
  },
};
export default noopGradients;

function pseudoScores({ windows, ...columns }: TokenWindowBatch, queries: number): ScoreBatch {
  const documents = columns.key.length;
  const tokens = new Uint32Array(documents);
  const loss = new Float64Array(documents);
  const scores = new Float64Array(documents * queries);
  windows.document.forEach((b, w) => {
    let hash = 0;
    for (let t = windows.start[w]; t < windows.start[w + 1]; t++) hash = Math.imul(hash ^ windows.ids[t], 0x9e3779b1);
    const labels = windows.start[w + 1] - windows.start[w] - 1;
    tokens[b] += labels;
    loss[b] += 3 * labels;
    for (let q = 0; q < queries; q++) scores[b * queries + q] += mix(hash + q) / 2 ** 31;
  });
  return { ...columns, queries, tokens, loss, scores };
}

/** The last steps of MurmurHash3: every bit of the result depends on every bit of `x`. */
function mix(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

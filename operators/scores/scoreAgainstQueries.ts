/** Scores every document against every cached query: one dot product of projected gradients per pair. */
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import type { ProjectedGradients, ScoreBatch } from '../../schemas/batches.ts';
import type { MapOperator } from '../../schemas/operators.ts';
import { openSession } from '../gradients/onnxSession.ts';

export interface ScoreAgainstQueriesSettings {
  /** The join model beside the query cache. */
  path: string;
  queries: number;
  /** (M) D_m of the query cache. */
  widths: number[];
  /** (Q) ‖P(∇f_q)‖ where scores are cosines, null where they are dot products. */
  queryNorms: number[] | null;
  threadsPerWorker: number;
}

/** s(q,d) = Σ_modules ⟨P(∇f_q), ∇L_d⟩; a document's windows are summed, for its loss is the sum of theirs. */
const scoreAgainstQueries: MapOperator<'projectedGradients', 'scores', ScoreAgainstQueriesSettings> = {
  kind: 'map',
  name: 'scoreAgainstQueries',
  takes: 'projectedGradients',
  gives: 'scores',
  lane: 'pool',
  async open(settings) {
    // Prepacking would copy the query gradients into every worker.
    const session = await openSession(settings.path, { threadsPerWorker: settings.threadsPerWorker, prepack: false });
    return (batch) => score(session, settings, batch);
  },
};
export default scoreAgainstQueries;

async function score(
  session: InferenceSession,
  { queries, widths, queryNorms }: ScoreAgainstQueriesSettings,
  batch: ProjectedGradients,
): Promise<ScoreBatch> {
  const { projected, document, tokens, loss, squaredNorm, ...columns } = batch;
  expectWidths(batch, widths);
  const feeds = projected.map((block, m): [string, Tensor] => [
    `projected_${m}`,
    new Tensor('float32', block, [document.length, widths[m]]),
  ]);
  const documents = columns.key.length;
  const result: ScoreBatch = {
    ...columns,
    queries,
    tokens: new Uint32Array(documents),
    loss: new Float64Array(documents),
    scores: new Float64Array(documents * queries),
  };
  if (document.length === 0) return result;
  const outputs = await session.run(Object.fromEntries(feeds));
  const byModule = widths.map((_, m) => outputs[`scores_${m}`].data as Float32Array);
  document.forEach((b, w) => {
    result.tokens[b] += tokens[w];
    result.loss[b] += loss[w];
    // float64: the modules' scores differ in sign and by orders of magnitude.
    for (const scores of byModule) addRow(result.scores, b, scores, w, queries);
    if (queryNorms) divideRow(result.scores, b, queryNorms, Math.sqrt(squaredNorm![w]));
  });
  return result;
}

/** cos = s(q,d) / (‖P(∇f_q)‖ ‖∇L_d‖), each norm over all layers; 0 where a gradient is. A document is one window here. */
function divideRow(scores: Float64Array, b: number, queryNorms: number[], documentNorm: number): void {
  queryNorms.forEach((norm, q) => {
    const product = norm * documentNorm;
    if (product > 0) scores[b * queryNorms.length + q] /= product;
  });
}

function addRow(sums: Float64Array, b: number, scores: Float32Array, w: number, queries: number): void {
  for (let q = 0; q < queries; q++) sums[b * queries + q] += scores[w * queries + q];
}

function expectWidths({ projected, document, batch }: ProjectedGradients, widths: number[]): void {
  projected.forEach((block, m) => {
    if (block.length === document.length * widths[m]) return;
    throw new Error(
      `scoreAgainstQueries expected projected gradients of ${widths[m]} dimensions for module ${m}, got ` +
        `${block.length / document.length} (batch ${batch}): the query cache was made with another projection; run headwater queries`,
    );
  });
  if (projected.length !== widths.length)
    throw new Error(`scoreAgainstQueries expected ${widths.length} modules, got ${projected.length} (batch ${batch})`);
}

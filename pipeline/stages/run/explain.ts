/** Explains the first documents of every ranking: gradients once more, with each token's part kept apart. */
import type { RankedDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { CorpusDocument, CorpusDocuments } from '../../../operators/documents/corpusDocument.ts';
import { fetchedBatch } from '../../../operators/documents/fetchedBatch.ts';
import { writeTokenModel } from '../../../operators/gradients/gradientModel.ts';
import { type QueryCache, readProjections } from '../../../operators/queries/queryCache.ts';
import type { ExplainedDocument } from '../../../operators/report/tables/influenceRows.ts';
import type { ExplainSettings, ExplainTask, Explanation } from '../../../operators/scores/explainDocument.ts';
import { selectWindows } from '../../../operators/tokens/selectWindows.ts';
import { windowsOfBatch } from '../../../operators/tokens/windowDocuments.ts';
import type { TokenWindowBatch } from '../../../schemas/batches.ts';
import { inFlight } from '../../inFlight.ts';
import { builtIn } from '../../operators/loadOperator.ts';
import type { Join, Prepared } from '../prepare.ts';
import type { StageHooks } from '../stageHooks.ts';
import { withPool } from '../withPool.ts';

/** A place in a ranking. */
interface Place {
  query: number;
  end: 'top' | 'bottom';
  rank: number;
}

/**
 * The first `explain.documents` of either end of each ranking. None where a custom operator stands between documents and scores, whose
 * work is not known token by token. Throws the signal's reason where the user asks to stop meanwhile.
 */
export async function explainRankings(
  prepared: Prepared,
  cache: QueryCache | null,
  join: Join | null,
  rankings: { top: RankedDocuments; bottom: RankedDocuments },
  documents: CorpusDocuments,
  files: string[],
  hooks: StageHooks,
): Promise<ExplainedDocument[]> {
  const places = placesByDocument(rankings, prepared.configuration.explain.documents);
  const changed = prepared.custom.maps.some(({ operator }) => operator.takes !== 'scores');
  if (!cache || !join || changed || places.size === 0) return [];
  const spec = { module: builtIn('scores/explainDocument'), settings: await explainSettings(prepared, cache, join) };
  const explained: ExplainedDocument[] = [];
  hooks.progress.stage('tokens and layers', places.size);
  await withPool(prepared, hooks, (pool) =>
    inFlight(places, 2 * pool.workers, async ([key, found]) => {
      const document = documents.get(key)!;
      const windows = windowsOf(prepared, key, document);
      const queries = [...new Set(found.map(({ query }) => query))];
      const task: ExplainTask = { windows, queries };
      const explanations: Explanation[] = await pool.job(spec, task);
      const ids = windows.flatMap((window) => Array.from(window.windows.ids));
      const texts = ids.map((id) => prepared.tokenizer.decode([id]));
      for (const { query, end, rank } of found) {
        const queryId = prepared.queries[query].id;
        const { id: documentId, file, row } = document;
        const where = { queryId, end, rank, documentId, file: files[file], row };
        explained.push({ ...where, ids, texts, ...explanations[queries.indexOf(query)] });
      }
      hooks.progress.advance({ items: 1, tokens: ids.length });
    }),
  );
  hooks.progress.done();
  return inRankOrder(explained, prepared);
}

/** The pool finishes documents in any order; tables do not depend on it. */
function inRankOrder(explained: ExplainedDocument[], { facts }: Prepared): ExplainedDocument[] {
  const order = new Map(facts.queries.map((id, q) => [id, q]));
  const ends = ['top', 'bottom'];
  return explained.sort(
    (a, b) =>
      order.get(a.queryId)! - order.get(b.queryId)! || ends.indexOf(a.end) - ends.indexOf(b.end) || a.rank - b.rank,
  );
}

function placesByDocument(
  rankings: { top: RankedDocuments; bottom: RankedDocuments },
  count: number,
): Map<number, Place[]> {
  const places = new Map<number, Place[]>();
  for (const end of ['top', 'bottom'] as const) {
    const { query, rank, key } = rankings[end];
    for (let i = 0; i < key.length; i++) {
      if (rank[i] > count) continue;
      const found = places.get(key[i]) ?? [];
      found.push({ query: query[i], end, rank: rank[i] });
      places.set(key[i], found);
    }
  }
  return places;
}

async function explainSettings(prepared: Prepared, cache: QueryCache, join: Join): Promise<ExplainSettings> {
  const { configuration, folder, coverage, pool } = prepared;
  const { contextTokens, batchTokens, cosine } = configuration;
  const projections = await readProjections(cache);
  const graph = { contextTokens, batchTokens };
  return {
    path: await writeTokenModel(folder, graph, coverage.modules, projections, configuration.cache, cosine),
    cache: cache.path,
    layers: cache.layers!.map(({ outputs, inputs }, m) => ({ outputs, inputs, offset: cache.offsets[m] })),
    queryNorms: join.queryNorms,
    threadsPerWorker: pool.threadsPerWorker,
    prepack: pool.prepack,
  };
}

/** A document's windows as the run made them, one a batch. */
function windowsOf({ configuration, tokenizer }: Prepared, key: number, document: CorpusDocument): TokenWindowBatch[] {
  const { contextTokens, longDocuments } = configuration;
  const batch = fetchedBatch(0, new Map([[key, document]]));
  const slice = windowsOfBatch(batch, tokenizer, { contextTokens, longDocuments });
  return Array.from(slice.windows.document, (_, w) => selectWindows(slice, [w]));
}

/**
 * The lines of influence.jsonl: one JSON object per query, in the field names of Google PAIR's viewer of pretraining attributions
 * (PAIR-code/pretraining-tda, README, "TDA method results"), which opens the file as it is.
 */
import type { Query } from '../../schemas/queries.ts';
import { rankingStarts } from '../accumulators/rankedHeaps.ts';
import type { RankedDocuments, TopDocuments } from '../accumulators/topDocuments.ts';
import { type CorpusDocuments, documentAt } from '../documents/corpusDocument.ts';

/** Proponents have positive scores, opponents negative ones; strongest first. `groundtruth` where the query names an answer. */
export interface InfluenceLine {
  example_id: string;
  query_set: string;
  task: string;
  inputs_plaintext: string;
  targets_plaintext: string;
  groundtruth?: string;
  proponents: string[];
  proponent_ids: string[];
  proponent_scores: number[];
  opponents: string[];
  opponent_ids: string[];
  opponent_scores: number[];
}

/** `limit`: documents at either end of a query, since the viewer holds the whole file in a browser's memory. */
export function* influenceLines(
  { top, bottom }: TopDocuments,
  queries: readonly Query[],
  documents: CorpusDocuments,
  limit = 100,
): Generator<string> {
  const [topStarts, bottomStarts] = [rankingStarts(top, queries.length), rankingStarts(bottom, queries.length)];
  for (let q = 0; q < queries.length; ++q) {
    const { id, task, prompt, completion, answers } = queries[q];
    const proponents = strongest(top, topStarts[q], topStarts[q + 1], 1, limit, documents);
    const opponents = strongest(bottom, bottomStarts[q], bottomStarts[q + 1], -1, limit, documents);
    const line: InfluenceLine = {
      example_id: id,
      query_set: 'headwater',
      task,
      inputs_plaintext: prompt,
      targets_plaintext: completion,
      ...(answers.length > 0 && { groundtruth: answers[0] }),
      proponents: proponents.texts,
      proponent_ids: proponents.ids,
      proponent_scores: proponents.scores,
      opponents: opponents.texts,
      opponent_ids: opponents.ids,
      opponent_scores: opponents.scores,
    };
    yield onOneLine(JSON.stringify(line));
  }
}

function strongest(
  ranked: RankedDocuments,
  start: number,
  end: number,
  sign: 1 | -1,
  limit: number,
  documents: CorpusDocuments,
) {
  const signed = ranked.score.subarray(start, Math.min(end, start + limit)).filter((score) => sign * score > 0);
  const found = Array.from(signed, (_, i) => documentAt(documents, ranked.key[start + i]));
  return { texts: found.map(({ text }) => text), ids: found.map(({ id }) => id), scores: [...signed] };
}

/** JSON leaves these as they are, and readers that split text into lines (Python's splitlines) would split there. */
const onOneLine = (json: string): string =>
  json.replace(/[\u0085\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

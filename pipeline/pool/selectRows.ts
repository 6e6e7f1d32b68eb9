/** Chooses documents of a batch of any noun that the graph and the pool are given: documents with their texts, or scores. */
import { selectScores } from '../../operators/scores/selectScores.ts';
import {
  type DocumentBatch,
  type DocumentColumns,
  type ScoreBatch,
  type SetAside,
  selectTexts,
} from '../../schemas/batches.ts';

/** The documents at `rows`, ascending indices into the batch; those set aside stay. */
export function selectRows<In extends DocumentColumns>(batch: In, rows: number[]): In {
  if ('scores' in batch) return selectScores(batch as DocumentColumns as ScoreBatch, rows) as DocumentColumns as In;
  return selectTexts(batch as DocumentColumns as DocumentBatch, rows) as DocumentColumns as In;
}

/** The batch without the documents that `aside` names by key, which join those set aside, in reading order. */
export function leaveOut<In extends DocumentColumns>(batch: In, aside: readonly SetAside[]): In {
  if (aside.length === 0) return batch;
  const out = new Set(aside.map(({ key }) => key));
  const rows = Array.from(batch.key.keys()).filter((b) => !out.has(batch.key[b]));
  return { ...selectRows(batch, rows), setAside: [...batch.setAside, ...aside].sort((a, b) => a.key - b.key) };
}

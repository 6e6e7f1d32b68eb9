/** A part of a slice: some of its windows, and only the documents they belong to. */
import { selectDocuments, type TokenWindowBatch } from '../../schemas/batches.ts';

/** The windows at `chosen` in ascending order. Nothing is set aside in a part: the slice keeps what it already lost. */
export function selectWindows(batch: TokenWindowBatch, chosen: readonly number[]): TokenWindowBatch {
  const { windows } = batch;
  const rows = [...new Set(chosen.map((w) => windows.document[w]))].sort((a, b) => a - b);
  const place = new Map(rows.map((b, i) => [b, i]));
  const start = new Uint32Array(chosen.length + 1);
  chosen.forEach((w, i) => {
    start[i + 1] = start[i] + windows.start[w + 1] - windows.start[w];
  });
  const ids = new Int32Array(start[chosen.length]);
  chosen.forEach((w, i) => {
    ids.set(windows.ids.subarray(windows.start[w], windows.start[w + 1]), start[i]);
  });
  return {
    ...selectDocuments(batch, rows),
    setAside: [],
    windows: {
      document: Uint32Array.from(chosen, (w) => place.get(windows.document[w]) as number),
      start,
      ids,
      lossFrom: Uint32Array.from(chosen, (w) => windows.lossFrom[w]),
    },
  };
}

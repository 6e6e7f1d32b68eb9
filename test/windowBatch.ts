/** Token windows made by hand, one a document. */
import type { TokenWindowBatch } from '../schemas/batches.ts';

export function windowBatch(cases: { ids: number[]; lossFrom?: number }[]): TokenWindowBatch {
  const start = new Uint32Array(cases.length + 1);
  cases.forEach(({ ids }, w) => {
    start[w + 1] = start[w] + ids.length;
  });
  const rows = Float64Array.from(cases, (_, w) => w);
  return {
    batch: 0,
    key: rows,
    file: new Uint32Array(cases.length),
    row: rows,
    id: cases.map((_, w) => `document ${w}`),
    source: null,
    setAside: [],
    extra: {},
    windows: {
      document: Uint32Array.from(cases, (_, w) => w),
      start,
      ids: Int32Array.from(cases.flatMap(({ ids }) => ids)),
      lossFrom: Uint32Array.from(cases, ({ lossFrom = 1 }) => lossFrom),
    },
  };
}

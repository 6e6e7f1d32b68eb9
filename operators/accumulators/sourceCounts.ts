/** Counts scored documents by source, while the distinct sources are few enough to be sources and not ids. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';

export interface SourceCountsSettings {
  /** Distinct sources above which the counts are given up. */
  limit?: number;
}

export interface SourceCountsState {
  limit: number;
  /** Scored documents, with a source or not. */
  documents: number;
  /** Source → documents. A Map and not an object: a source may be called `__proto__`. */
  counts: Map<string, number>;
  /** Once true it stays so, and `counts` stays empty. */
  givenUp: boolean;
}

export interface SourceCounts {
  /** Scored documents, with a source or not. */
  documents: number;
  /** Most documents first, of equals by name; empty when no source column is configured or the counts were given up. */
  sources: { source: string; documents: number }[];
  /** More than `limit` distinct sources were met: the counts were given up to bound memory. */
  givenUp: boolean;
  limit: number;
}

export const sourceCounts: FoldOperator<SourceCountsState, SourceCounts, SourceCountsSettings | undefined> = {
  kind: 'fold',
  name: 'source_counts',
  takes: 'scores',
  empty: (settings) => ({ limit: settings?.limit ?? 10_000, documents: 0, counts: new Map(), givenUp: false }),
  add: (state, { key, source }: ScoreBatch) => {
    state.documents += key.length;
    for (const name of source ?? []) count(state, name, 1);
  },
  merge: (into, from) => {
    into.documents += from.documents;
    if (from.givenUp) giveUp(into);
    for (const [name, documents] of from.counts) count(into, name, documents);
  },
  result: ({ documents, counts, givenUp, limit }) => {
    const sources = Array.from(counts, ([source, documents]) => ({ source, documents }));
    sources.sort((a, b) => b.documents - a.documents || (a.source < b.source ? -1 : 1));
    return { documents, sources, givenUp, limit };
  },
};

function count(state: SourceCountsState, name: string, documents: number): void {
  if (state.givenUp) return;
  state.counts.set(name, (state.counts.get(name) ?? 0) + documents);
  if (state.counts.size > state.limit) giveUp(state);
}

function giveUp(state: SourceCountsState): void {
  state.givenUp = true;
  state.counts.clear();
}

/** Counts scored documents by source, while the distinct sources are few enough to be sources and not ids. */
import type { FoldOperator } from '../../schemas/operators.ts';
import {
  addLabels,
  emptyCounts,
  type LabelCountsSettings,
  type LabelCountsState,
  mergeCounts,
  sortedCounts,
} from './labelCounts.ts';

export interface SourceCounts {
  /** Scored documents, with a source or not. */
  documents: number;
  /** Most documents first, of equals by name; empty when no source column is configured or the counts were given up. */
  sources: { source: string; documents: number }[];
  /** More than `limit` distinct sources were met: the counts were given up to bound memory. */
  givenUp: boolean;
  limit: number;
}

export const sourceCounts: FoldOperator<LabelCountsState, SourceCounts, LabelCountsSettings | undefined> = {
  kind: 'fold',
  name: 'source_counts',
  takes: 'scores',
  empty: emptyCounts,
  add: (state, { key, source }) => addLabels(state, key.length, source),
  merge: mergeCounts,
  result: (state) => ({
    documents: state.documents,
    sources: sortedCounts(state).map(([source, documents]) => ({ source, documents })),
    givenUp: state.givenUp,
    limit: state.limit,
  }),
};

/** Counts scored documents by kind: what `labelKinds`, or a user's own operator, wrote to `extra.kind`. */
import type { FoldOperator } from '../../schemas/operators.ts';
import {
  addLabels,
  emptyCounts,
  type LabelCountsSettings,
  type LabelCountsState,
  mergeCounts,
  sortedCounts,
} from './labelCounts.ts';

export interface KindCounts {
  /** Scored documents, with a kind or not. */
  documents: number;
  /** Most documents first, of equals by name; empty when documents carry no kind or the counts were given up. */
  kinds: { kind: string; documents: number }[];
  /** More than `limit` distinct kinds were met: the counts were given up to bound memory. */
  givenUp: boolean;
  limit: number;
}

export const kindCounts: FoldOperator<LabelCountsState, KindCounts, LabelCountsSettings | undefined> = {
  kind: 'fold',
  name: 'kind_counts',
  takes: 'scores',
  empty: emptyCounts,
  add: (state, { key, extra: { kind } }) => addLabels(state, key.length, Array.isArray(kind) ? kind : null),
  merge: mergeCounts,
  result: (state) => ({
    documents: state.documents,
    kinds: sortedCounts(state).map(([kind, documents]) => ({ kind, documents })),
    givenUp: state.givenUp,
    limit: state.limit,
  }),
};

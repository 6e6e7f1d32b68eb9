/** Counts of a column of labels, while the distinct ones are few enough to be labels and not ids. */

export interface LabelCountsSettings {
  /** Distinct labels above which the counts are given up. */
  limit?: number;
}

export interface LabelCountsState {
  limit: number;
  /** Scored documents, with a label or not. */
  documents: number;
  /** Label → documents. A Map and not an object: a label may be called `__proto__`. */
  counts: Map<string, number>;
  /** Once true it stays so, and `counts` stays empty. */
  givenUp: boolean;
}

export const emptyCounts = (settings?: LabelCountsSettings): LabelCountsState => ({
  limit: settings?.limit ?? 10_000,
  documents: 0,
  counts: new Map(),
  givenUp: false,
});

/** Adds a batch of so many documents; `labels` is null where its documents carry none. */
export function addLabels(state: LabelCountsState, documents: number, labels: readonly string[] | null): void {
  state.documents += documents;
  for (const label of labels ?? []) count(state, label, 1);
}

export function mergeCounts(into: LabelCountsState, from: LabelCountsState): void {
  into.documents += from.documents;
  if (from.givenUp) giveUp(into);
  for (const [label, documents] of from.counts) count(into, label, documents);
}

/** Most documents first, of equals by name. */
export const sortedCounts = ({ counts }: LabelCountsState): [label: string, documents: number][] =>
  [...counts].sort(([a, more], [b, fewer]) => fewer - more || (a < b ? -1 : 1));

function count(state: LabelCountsState, label: string, documents: number): void {
  if (state.givenUp) return;
  state.counts.set(label, (state.counts.get(label) ?? 0) + documents);
  if (state.counts.size > state.limit) giveUp(state);
}

function giveUp(state: LabelCountsState): void {
  state.givenUp = true;
  state.counts.clear();
}

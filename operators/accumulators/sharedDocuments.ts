/** Counts in how many queries' first documents each document stands, by task: what a whole procedure is learnt from. */
import type { RankedDocuments } from './rankedHeaps.ts';

export interface SharedDocument {
  key: number;
  task: string;
  /** Queries of the task that rank the document within `depth`: two or more. */
  queries: number;
  /** Queries of the task. */
  of: number;
  depth: number;
}

/**
 * `tasks` are those of the queries; a query without one is left out. Tasks in the order of their names, in each the documents that most
 * queries share first, of equals by the lower key.
 */
export function sharedDocuments(
  { query, rank, key }: RankedDocuments,
  tasks: readonly string[],
  depth = 100,
): SharedDocument[] {
  const counts = new Map<string, Map<number, number>>();
  for (const [i, document] of key.entries()) {
    const task = tasks[query[i]];
    if (task === '' || rank[i] > depth) continue;
    const ofTask = counts.get(task) ?? new Map<number, number>();
    ofTask.set(document, (ofTask.get(document) ?? 0) + 1);
    counts.set(task, ofTask);
  }
  const deepest = Math.min(
    depth,
    rank.reduce((most, r) => Math.max(most, r), 0),
  );
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([task, ofTask]) => sharedOfTask(task, ofTask, tasks.filter((other) => other === task).length, deepest));
}

function sharedOfTask(task: string, counts: ReadonlyMap<number, number>, of: number, depth: number): SharedDocument[] {
  return [...counts]
    .filter(([, queries]) => queries >= 2)
    .sort(([a, more], [b, fewer]) => fewer - more || a - b)
    .map(([key, queries]) => ({ key, task, queries, of, depth }));
}

/** Mean, standard deviation and range of a task's numbers: what the statistics by task say of its queries. */

export interface Spread {
  count: number;
  mean: number;
  /** With n - 1 below; null for a single number. */
  standardDeviation: number | null;
  min: number;
  max: number;
}

/** Expects at least one number. */
export function spreadOf(values: readonly number[]): Spread {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    count,
    mean,
    standardDeviation: count > 1 ? Math.sqrt(squares / (count - 1)) : null,
    min: Math.min(...values),
    max: Math.max(...values),
  };
}

/** Rows of queries by the queries' task, in the order in which tasks are met. Queries without a task are left out. */
export function byTask<Row extends { query: number }>(
  rows: Iterable<Row>,
  tasks: readonly string[],
): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const task = tasks[row.query];
    if (task === '') continue;
    const group = groups.get(task);
    if (group) group.push(row);
    else groups.set(task, [row]);
  }
  return groups;
}

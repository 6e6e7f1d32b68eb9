/** How well one list of scores agrees with another: what the fidelity of an approximation is told by. */

export function pearson(x: readonly number[], y: readonly number[]): number {
  const [u, v] = [centred(x), centred(y)];
  return dot(u, v) / Math.sqrt(dot(u, u) * dot(v, v));
}

/** Pearson of the ranks; equal scores share the mean of theirs. */
export function spearman(x: readonly number[], y: readonly number[]): number {
  return pearson(ranks(x), ranks(y));
}

/** The share of x's k highest that are among y's k highest. */
export function overlapOfTop(k: number, x: readonly number[], y: readonly number[]): number {
  const top = (values: readonly number[]) =>
    [...values.keys()].sort((a, b) => values[b] - values[a] || a - b).slice(0, k);
  const there = new Set(top(y));
  return top(x).filter((i) => there.has(i)).length / Math.min(k, x.length);
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

function dot(u: number[], v: number[]): number {
  return u.reduce((sum, value, i) => sum + value * v[i], 0);
}

function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  const result = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    for (let i = start; i < end; i++) result[order[i]] = (start + end - 1) / 2;
    start = end;
  }
  return result;
}

/** Says in what two run folders differ: tables byte by byte, run.json and report.json but for times and places. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One line for each file that is missing, left over or not the same; none where the runs gave the same. */
export async function differences(expected: string, found: string): Promise<string[]> {
  const [wanted, there] = await Promise.all([readdir(expected), readdir(found)]);
  const missing = wanted.filter((name) => !there.includes(name)).map((name) => `${name} is missing`);
  const more = there.filter((name) => !wanted.includes(name)).map((name) => `${name} is left over`);
  const both = wanted.filter((name) => there.includes(name));
  const differing = await Promise.all(both.map((name) => difference(name, join(expected, name), join(found, name))));
  return [...missing, ...more, ...differing.flatMap((line) => line ?? [])];
}

async function difference(name: string, expected: string, found: string): Promise<string | null> {
  if (name === 'report.html') return null; // drawn from report.json, its times among the rest
  const [a, b] = await Promise.all([readFile(expected), readFile(found)]);
  if (a.equals(b)) return null;
  if (name !== 'run.json' && name !== 'report.json') return `${name} has other bytes`;
  const paths = [...differingPaths(timeless(JSON.parse(a.toString())), timeless(JSON.parse(b.toString())))];
  return paths.length === 0 ? null : `${name} differs in ${paths.slice(0, 5).join(', ')}`;
}

/** Keys whose values say when and where a run took place, not what it found. */
const ofTimesAndPlaces = new Set(['seconds', 'out', 'cache', 'checkpoint', 'supervisor']);

/** Without them; settings in report.json are pairs of key and value. */
function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !isOfTimeOrPlace(item?.[0])).map(timeless);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !isOfTimeOrPlace(key));
  return new Map(kept.map(([key, inner]) => [key, timeless(inner)]));
}

const isOfTimeOrPlace = (key: unknown): boolean => typeof key === 'string' && ofTimesAndPlaces.has(key.split('.')[0]);

function* differingPaths(a: unknown, b: unknown, at = ''): Generator<string> {
  const [left, right] = [a, b].map(entriesOf);
  if (!left || !right) {
    if (a !== b) yield at || 'everything';
    return;
  }
  for (const key of new Set([...left.keys(), ...right.keys()]))
    yield* differingPaths(left.get(key), right.get(key), at ? `${at}.${key}` : String(key));
}

function entriesOf(value: unknown): Map<unknown, unknown> | null {
  return value instanceof Map ? value : Array.isArray(value) ? new Map(value.entries()) : null;
}

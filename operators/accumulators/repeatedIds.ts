/** Counts the documents whose id an earlier document carries already, in memory that does not grow with the corpus. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';

export interface RepeatedIdsSettings {
  /** Distinct ids held at most: a power of two, from 1 to 2^24. */
  capacity?: number;
}

/**
 * A sample of the distinct ids that depends on nothing but which ids were met: those whose 64-bit hash starts with `level` zero bits,
 * level being the lowest at which they fit (Wegman's adaptive sampling; Flajolet 1990). An id in the sample at the end has been in it
 * from its first document, so its documents are all counted.
 */
export interface RepeatedIdsState {
  documents: number;
  level: number;
  /** Distinct ids in the sample. */
  held: number;
  /** (2 · capacity) An open-addressed table: the hash, upper and lower half, and its documents; 0 documents in an empty slot. */
  upper: Uint32Array;
  lower: Uint32Array;
  count: Uint32Array;
}

export interface RepeatedIds {
  documents: number;
  /** Documents whose id an earlier one carries. */
  repeated: number;
  /** False: there were more distinct ids than the sample holds, and `repeated` is scaled up from it. */
  exact: boolean;
}

export const repeatedIds: FoldOperator<RepeatedIdsState, RepeatedIds, RepeatedIdsSettings | undefined> = {
  kind: 'fold',
  name: 'repeated_ids',
  takes: 'scores',
  empty: (settings) => {
    const slots = 2 * (settings?.capacity ?? 2 ** 18);
    const [upper, lower, count] = [new Uint32Array(slots), new Uint32Array(slots), new Uint32Array(slots)];
    return { documents: 0, level: 0, held: 0, upper, lower, count };
  },
  add: (state, { id }: ScoreBatch) => {
    state.documents += id.length;
    for (const name of id) {
      const [upper, lower] = hashId(name);
      insert(state, upper, lower, 1);
    }
  },
  merge: (into, from) => {
    into.documents += from.documents;
    if (from.level > into.level) raiseLevel(into, from.level);
    for (let slot = 0; slot < from.count.length; ++slot)
      if (from.count[slot] > 0) insert(into, from.upper[slot], from.lower[slot], from.count[slot]);
  },
  result: ({ documents, level, held, count }) => {
    const sampled = count.reduce((sum, c) => sum + c, 0) - held;
    return { documents, repeated: Math.min(documents, sampled * 2 ** level), exact: level === 0 };
  },
};

/** Whether a hash starts with `level` zero bits. */
const inSample = (upper: number, level: number): boolean => level === 0 || upper >>> (32 - level) === 0;

function insert(state: RepeatedIdsState, upper: number, lower: number, documents: number): void {
  if (!inSample(upper, state.level)) return;
  const last = state.count.length - 1;
  let slot = lower & last;
  while (state.count[slot] > 0 && (state.upper[slot] !== upper || state.lower[slot] !== lower))
    slot = (slot + 1) & last;
  if (state.count[slot] === 0) ++state.held;
  state.upper[slot] = upper;
  state.lower[slot] = lower;
  state.count[slot] += documents;
  // the table is never more than half full, so the search above ends soon
  while (state.held > state.count.length / 2) raiseLevel(state, state.level + 1);
}

/** Drops the hashes that do not start with `level` zero bits. */
function raiseLevel(state: RepeatedIdsState, level: number): void {
  const { upper, lower, count } = state;
  const slots = count.length;
  Object.assign(state, {
    level,
    held: 0,
    upper: new Uint32Array(slots),
    lower: new Uint32Array(slots),
    count: new Uint32Array(slots),
  });
  for (let slot = 0; slot < slots; ++slot) if (count[slot] > 0) insert(state, upper[slot], lower[slot], count[slot]);
}

/** Two 32-bit halves: multiply-and-xor over UTF-16 code units in two lanes, then MurmurHash3's finisher, each lane stirred by the other. */
function hashId(id: string): [number, number] {
  let a = 0x9e3779b9 ^ id.length;
  let b = 0x85ebca6b;
  for (let i = 0; i < id.length; ++i) {
    const unit = id.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
    a ^= a >>> 15;
    b = (b << 13) | (b >>> 19);
  }
  a = finish(a ^ (b << 7));
  b = finish(b ^ a);
  return [a >>> 0, b >>> 0];
}

function finish(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

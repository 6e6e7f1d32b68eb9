/** The distribution of each query's scores over all documents: a log-binned histogram, positive and negative apart, with count and sum a bin. */
import type { ScoreBatch } from '../../schemas/batches.ts';
import type { FoldOperator } from '../../schemas/operators.ts';

/**
 * A bin is an exponent and the first six bits of a float64's fraction: 64 to the octave, each at most 1/64 as wide as its lower edge. Twice
 * as many cost half as much time again, because those of 110 queries are too large for a processor's second cache.
 */
export const binsPerOctave = 64;
/** Scores more than 2^31 to 2^32 times smaller than their query's largest share one bin: a bound on memory that no score of weight meets. */
const octavesHeld = 32;
/** A window's first size, which the scores of five million documents seldom outgrow. */
const octavesAtFirst = 24;

/** The scores of one sign: a window of octaves that ends with the largest score's, and grows downwards as smaller ones are met. */
interface Side {
  /** The window's first bin, a multiple of `binsPerOctave`: never 0, the octave of zero itself. */
  first: number;
  /** (2 · bins) Count and sum of each bin, next to each other: adding touches one cache line. */
  cells: Float64Array;
  belowCount: number;
  belowSum: number;
}

export interface InfluenceDistributionState {
  /** (Q,2) The positive and the negative scores of each query: side 2q + sign bit. */
  sides: Side[];
  /** (Q) Scores of exactly 0. */
  zeros: Float64Array;
}

/** The scores of one sign, in bins from the largest magnitude down; no bin is empty. Columns of one length. */
export interface ScoreBins {
  documents: number;
  /** Magnitudes: `lower` <= |score| < `upper`; `lower` is 0 in the bin of those too small to tell apart. */
  lower: Float64Array;
  upper: Float64Array;
  count: Float64Array;
  /** Of the magnitudes. */
  sum: Float64Array;
}

/** One query's scores. */
export interface InfluenceDistribution {
  positive: ScoreBins;
  negative: ScoreBins;
  zeros: number;
}

export const influenceDistribution: FoldOperator<InfluenceDistributionState, InfluenceDistribution[]> = {
  kind: 'fold',
  name: 'influence_distribution',
  takes: 'scores',
  empty: (_settings, { queries: { length: Q } }) => ({
    sides: Array.from({ length: 2 * Q }, emptySide),
    zeros: new Float64Array(Q),
  }),
  add: addBatch,
  merge: (into, from) => {
    from.sides.forEach((side, s) => {
      mergeSide(into.sides[s], side);
    });
    from.zeros.forEach((count, q) => {
      into.zeros[q] += count;
    });
  },
  result: ({ sides, zeros }) =>
    Array.from(zeros, (count, q) => ({
      positive: binsOf(sides[2 * q]),
      negative: binsOf(sides[2 * q + 1]),
      zeros: count,
    })),
};

const emptySide = (): Side => ({ first: 0, cells: new Float64Array(0), belowCount: 0, belowSum: 0 });

const score64 = new Float64Array(1);
const words = new Int32Array(score64.buffer);
/** Which half of a float64 holds its sign, exponent and the first 20 bits of its fraction. */
const high = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;
/** Bits of the upper half below a bin's. */
const dropped = 20 - Math.log2(binsPerOctave);
/** The first bin of infinities and NaN. */
const notFinite = 0x7ff00000 >>> dropped;

/** The smallest magnitude of a bin. */
function lowerEdge(bin: number): number {
  score64[0] = 0;
  words[high] = bin << dropped;
  return score64[0];
}

/** Nearly every score falls into its window: its upper half is read, and two neighbouring numbers are moved on. */
function addBatch({ sides, zeros }: InfluenceDistributionState, { key, scores, queries }: ScoreBatch): void {
  for (let b = 0, i = 0; b < key.length; ++b)
    for (let q = 0; q < queries; ++q, ++i) {
      const score = scores[i];
      score64[0] = score;
      const word = words[high];
      const bin = (word & 0x7fffffff) >>> dropped;
      const side = sides[2 * q + (word >>> 31)];
      const at = 2 * (bin - side.first);
      const { cells } = side;
      if (at >= 0 && at < cells.length) {
        cells[at] += 1;
        cells[at + 1] += score;
      } else if (score === 0) ++zeros[q];
      else addOutside(side, bin, score, key[b], q);
    }
}

/** A score outside the window, or none at all. */
function addOutside(side: Side, bin: number, score: number, key: number, q: number): void {
  if (bin >= notFinite)
    throw new Error(
      `influenceDistribution expected finite scores, got ${score} (document key ${key}, query ${q}): setAsideNotFinite comes before the folds`,
    );
  addToBin(side, bin, 1, score);
}

/** Adds scores of one bin to a side, whose window is moved where it has to be. */
function addToBin(side: Side, bin: number, count: number, sum: number): void {
  const octave = Math.floor(bin / binsPerOctave);
  const window = octavesOf(side);
  if (octave === 0 || octave <= window.highest - octavesHeld) {
    addBelow(side, count, sum);
    return;
  }
  if (octave < window.lowest || octave > window.highest)
    moveWindow(side, Math.min(octave, window.lowest), Math.max(octave, window.highest));
  const at = 2 * (bin - side.first);
  side.cells[at] += count;
  side.cells[at + 1] += sum;
}

function addBelow(side: Side, count: number, sum: number): void {
  side.belowCount += count;
  side.belowSum += sum;
}

/** The window's octaves, both inclusive. */
function octavesOf({ first, cells }: Side): { lowest: number; highest: number } {
  if (cells.length === 0) return { lowest: Infinity, highest: -Infinity };
  const lowest = first / binsPerOctave;
  return { lowest, highest: lowest + cells.length / (2 * binsPerOctave) - 1 };
}

/**
 * Makes the window span the octaves from `lowest` to `highest`, at least `octavesAtFirst` and at most `octavesHeld` of them. What falls out at its lower end is below
 * the window of every later state too, so that the order of scores does not matter.
 */
function moveWindow(side: Side, lowest: number, highest: number): void {
  const { first, cells } = side;
  const reach = Math.min(lowest, highest - octavesAtFirst + 1);
  const start = Math.max(1, reach, highest - octavesHeld + 1);
  side.first = start * binsPerOctave;
  side.cells = new Float64Array(2 * binsPerOctave * (highest - start + 1));
  const out = Math.min(cells.length, Math.max(0, 2 * (side.first - first)));
  for (let at = 0; at < out; at += 2) addBelow(side, cells[at], cells[at + 1]);
  if (out < cells.length) side.cells.set(cells.subarray(out), 2 * (first - side.first) + out);
}

/** From the largest bin down, so that the window moves once. */
function mergeSide(into: Side, { first, cells, belowCount, belowSum }: Side): void {
  for (let at = cells.length - 2; at >= 0; at -= 2)
    if (cells[at] > 0) addToBin(into, first + at / 2, cells[at], cells[at + 1]);
  addBelow(into, belowCount, belowSum);
}

function binsOf(side: Side): ScoreBins {
  const { first, cells, belowCount, belowSum } = side;
  const rows: [lower: number, upper: number, count: number, sum: number][] = [];
  for (let at = cells.length - 2; at >= 0; at -= 2)
    if (cells[at] > 0)
      rows.push([lowerEdge(first + at / 2), lowerEdge(first + at / 2 + 1), cells[at], Math.abs(cells[at + 1])]);
  const smallestHeld = Math.max(1, octavesOf(side).highest - octavesHeld + 1);
  if (belowCount > 0) rows.push([0, lowerEdge(smallestHeld * binsPerOctave), belowCount, Math.abs(belowSum)]);
  const [lower, upper, count, sum] = [0, 1, 2, 3].map((c) => Float64Array.from(rows, (row) => row[c]));
  return { documents: count.reduce((total, c) => total + c, 0), lower, upper, count, sum };
}

/** Groups the ranked documents that say nearly the same: MinHash signatures, joined where they agree in most places. */
import { createHash } from 'node:crypto';
import { type CorpusDocuments, documentAt } from '../documents/corpusDocument.ts';
import { splitPieces } from '../documents/splitWords.ts';
import { rankedKeys, type TopDocuments } from './topDocuments.ts';

/** Pieces (words and signs) in a shingle; a text of fewer is one shingle. */
export const shingleSize = 5;
/** Hash functions of a signature: the estimate of a Jaccard index J has a standard deviation of √(J (1 - J) / 128), 0.035 at 0.8. */
export const permutations = 128;
/** The estimate from which two documents are near-duplicates. */
export const nearThreshold = 0.8;
// 21 bands of 6 of the 128 hashes: a pair with J = 0.8 shares a band with probability 0.998, one with J = 0.3 with 0.015
const bands = 21;
const rowsPerBand = 6;

export interface NearDuplicate {
  /** From 1, in the order of their lowest keys. */
  group: number;
  key: number;
  /** Whether its pieces are those of the group's first document, the one with the lowest key. */
  exact: boolean;
  /** The estimated Jaccard index of its shingles and the first's. Below the threshold where they are joined through a third. */
  similarity: number;
  /** Queries that rank it, at either end. */
  rankings: number;
}

/** Documents of groups of two or more, by group and key. */
export function nearDuplicates(top: TopDocuments, documents: CorpusDocuments): NearDuplicate[] {
  const keys = [...rankedKeys(top)];
  const { first, signatures } = signTexts(keys, documents);
  const groups = groupsOf(first, signatures);
  const rankings = rankingsOf(top);
  return groups.flatMap((members, g) =>
    members.map((i): NearDuplicate => {
      const exact = first[i] === members[0];
      const similarity = exact ? 1 : agreement(signatures[first[i]]!, signatures[members[0]]!);
      return { group: g + 1, key: keys[i], exact, similarity, rankings: rankings.get(keys[i])!.size };
    }),
  );
}

interface Signed {
  /** For each text the first with the same pieces: only that one is signed and compared. */
  first: number[];
  signatures: (Int32Array | null)[];
}

/** One text after the other, of which nothing but its digest is kept: there may be a hundred thousand. */
function signTexts(keys: number[], documents: CorpusDocuments): Signed {
  const firsts = new Map<string, number>();
  const signed: Signed = { first: [], signatures: [] };
  for (const [i, key] of keys.entries()) {
    const pieces = splitPieces(documentAt(documents, key).text);
    const digest = createHash('sha256').update(pieces.join(' ')).digest('base64');
    const first = firsts.get(digest) ?? i;
    firsts.set(digest, first);
    signed.first.push(first);
    signed.signatures.push(first === i ? signatureOf(pieces) : null);
  }
  return signed;
}

/** The lowest value of each hash function over the shingles: two sets agree in one with the probability of their Jaccard index. */
export function signatureOf(pieces: readonly string[]): Int32Array {
  const shingles = shinglesOf(pieces);
  const signature = new Int32Array(permutations);
  for (let i = 0; i < permutations; ++i) {
    const [offset, factor] = [offsets[i], factors[i]];
    let lowest = 0x7fffffff;
    for (let s = 0; s < shingles.length; ++s) {
      const value = Math.imul(shingles[s] ^ offset, factor);
      if (value < lowest) lowest = value;
    }
    signature[i] = lowest;
  }
  return signature;
}

/** A hash for each place where a shingle starts. */
function shinglesOf(pieces: readonly string[]): Int32Array {
  const hashes = new Int32Array(pieces.length);
  for (let i = 0; i < pieces.length; ++i) hashes[i] = hashPiece(pieces[i]);
  const shingles = new Int32Array(Math.max(1, hashes.length - shingleSize + 1));
  for (let start = 0; start < shingles.length; ++start)
    shingles[start] = hashRange(hashes, start, Math.min(start + shingleSize, hashes.length));
  return shingles;
}

/** The share of places in which two signatures agree: the estimate of the Jaccard index. */
export function agreement(one: Int32Array, other: Int32Array): number {
  let equal = 0;
  for (let i = 0; i < permutations; ++i) if (one[i] === other[i]) ++equal;
  return equal / permutations;
}

/** Members of the groups of two or more, ascending; groups in the order of their first. */
function groupsOf(first: number[], signatures: (Int32Array | null)[]): number[][] {
  const parent = first.slice();
  const root = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (let band = 0; band < bands; ++band)
    for (const bucket of bucketsOf(band, signatures)) joinAlike(bucket, signatures, parent, root);
  return membersOf(parent.map((_, i) => root(i)));
}

function membersOf(roots: number[]): number[][] {
  const members = new Map<number, number[]>();
  for (const [i, root] of roots.entries()) {
    const group = members.get(root);
    if (group) group.push(i);
    else members.set(root, [i]);
  }
  return [...members.values()].filter((group) => group.length > 1);
}

/** Signatures that agree in a band. What falls together by a collision of hashes is told apart when it is compared. */
function bucketsOf(band: number, signatures: (Int32Array | null)[]): number[][] {
  const buckets = new Map<number, number[]>();
  for (const [i, signature] of signatures.entries()) {
    if (!signature) continue;
    const hash = hashRange(signature, band * rowsPerBand, (band + 1) * rowsPerBand);
    const bucket = buckets.get(hash);
    if (bucket) bucket.push(i);
    else buckets.set(hash, [i]);
  }
  return [...buckets.values()].filter((bucket) => bucket.length > 1);
}

/** Joins the pairs of a bucket whose signatures agree, the higher root below the lower: a group's root is its first document. */
function joinAlike(
  bucket: number[],
  signatures: (Int32Array | null)[],
  parent: number[],
  root: (i: number) => number,
): void {
  for (let j = 1; j < bucket.length; ++j)
    for (let i = 0; i < j; ++i) {
      const [one, other] = [root(bucket[i]), root(bucket[j])];
      if (one === other || agreement(signatures[bucket[i]]!, signatures[bucket[j]]!) < nearThreshold) continue;
      parent[Math.max(one, other)] = Math.min(one, other);
    }
}

function rankingsOf({ top, bottom }: TopDocuments): Map<number, Set<number>> {
  const queries = new Map<number, Set<number>>();
  for (const { key, query } of [top, bottom])
    for (const [i, document] of key.entries())
      queries.set(document, (queries.get(document) ?? new Set()).add(query[i]));
  return queries;
}

/** FNV-1a over UTF-16 code units, then MurmurHash3's finisher. */
function hashPiece(piece: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < piece.length; ++i) hash = Math.imul(hash ^ piece.charCodeAt(i), 0x01000193);
  return finish(hash);
}

function hashRange(hashes: Int32Array, start: number, end: number): number {
  let hash = 0x9e3779b9;
  for (let i = start; i < end; ++i) hash = Math.imul(((hash << 5) | (hash >>> 27)) ^ hashes[i], 0x85ebca6b);
  return finish(hash);
}

function finish(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}

/** The hash functions x → (x ^ offset) · factor mod 2^32, fixed: groups must not change from run to run. */
const offsets = Int32Array.from({ length: permutations }, (_, i) => finish(2 * i + 1));
const factors = Int32Array.from({ length: permutations }, (_, i) => finish(2 * i + 2) | 1);

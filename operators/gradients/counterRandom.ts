/** Random numbers that are a pure function of (seed, stream, index): Philox 4x32-10 (Salmon et al. 2011, Random123). */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** The high 32 bits of a · b, both unsigned 32-bit. */
function mulHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = (middle & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** Encrypts the counter c0…c3 under the key k0, k1 into `out`: four unsigned 32-bit words. */
export function philox(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c1 = low1;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** A stream number for a name: FNV-1a, 32 bits. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash >>> 0;
}

export type Distribution = 'normal' | 'rademacher';

/** `count` independent numbers of mean 0 and variance `variance`: element i depends on (seed, stream, i) alone. */
export function randomNumbers(
  seed: number,
  stream: number,
  count: number,
  distribution: Distribution,
  variance: number,
): Float32Array {
  const values = new Float32Array(count);
  const words = new Uint32Array(4);
  const scale = Math.sqrt(variance);
  const draw = distribution === 'normal' ? drawNormal : drawSign;
  for (let i = 0; i < count; i += 4) {
    philox(i / 4, 0, 0, 0, seed >>> 0, stream, words);
    draw(words, values, i, Math.min(4, count - i), scale);
  }
  return values;
}

/** Box–Muller: two words make two normals. */
function drawNormal(words: Uint32Array, values: Float32Array, at: number, count: number, scale: number): void {
  for (let pair = 0; pair < count; pair += 2) {
    // The half keeps the logarithm finite.
    const radius = scale * Math.sqrt(-2 * Math.log((words[pair] + 0.5) / 2 ** 32));
    const angle = (2 * Math.PI * words[pair + 1]) / 2 ** 32;
    values[at + pair] = radius * Math.cos(angle);
    if (pair + 1 < count) values[at + pair + 1] = radius * Math.sin(angle);
  }
}

function drawSign(words: Uint32Array, values: Float32Array, at: number, count: number, scale: number): void {
  for (let i = 0; i < count; i++) values[at + i] = words[i] >>> 31 ? -scale : scale;
}

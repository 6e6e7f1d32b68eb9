/** Decodes Parquet's hybrid of run-length and bit-packed numbers: definition levels and dictionary indices. */

// 2^24 dictionary entries take 64 MB before their first character
const MOST_BITS = 24;

/**
 * The first `count` numbers of `width` bits each in `bytes`. hyparquet's decoder lets a run write past `count`, up to 2^31
 * numbers; here a run that claims more than is left is an error, and so are empty runs and bytes behind the last one.
 */
export function decodeRuns(bytes: Uint8Array, width: number, count: number): Uint32Array {
  if (width > MOST_BITS) throw new Error(`numbers of ${width} bits where ${MOST_BITS} is the most`);
  const numbers = new Uint32Array(count);
  let offset = 0;
  for (let seen = 0; seen < count; ) {
    const header = readVarint(bytes, offset);
    offset = header.end;
    const claimed = header.value & 1 ? (header.value >>> 1) * 8 : header.value >>> 1;
    const packed = (header.value & 1) === 1;
    if (claimed === 0) throw new Error('a run of no numbers');
    if (!packed && claimed > count - seen)
      throw new Error(`a run of ${claimed} numbers where ${count - seen} are left`);
    const run = Math.min(claimed, count - seen); // bit-packed runs come in eights, the last one padded
    const runBytes = packed ? Math.ceil((run * width) / 8) : (width + 7) >> 3;
    if (offset + runBytes > bytes.length) throw new Error('its runs of numbers reach past its end');
    if (packed) unpack(bytes, offset, width, numbers.subarray(seen, seen + run));
    else numbers.fill(runValue(bytes, offset, width), seen, seen + run);
    offset += packed ? Math.ceil((claimed * width) / 8) : runBytes;
    seen += run;
  }
  if (offset < bytes.length) throw new Error(`its runs of numbers end at byte ${offset} of ${bytes.length}`);
  return numbers;
}

function unpack(bytes: Uint8Array, offset: number, width: number, into: Uint32Array): void {
  const mask = (1 << width) - 1;
  for (let i = 0, bit = 0; i < into.length; i++, bit += width) {
    const at = offset + (bit >>> 3);
    // past the end bytes[…] is undefined, which shifts as 0 and is masked away
    const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    into[i] = (word >>> (bit & 7)) & mask;
  }
}

function runValue(bytes: Uint8Array, offset: number, width: number): number {
  let value = 0;
  for (let i = 0; i < (width + 7) >> 3; i++) value += bytes[offset + i] * 2 ** (8 * i);
  if (value >= 2 ** width) throw new Error(`a run of ${value}, which does not fit ${width} bits`);
  return value;
}

function readVarint(bytes: Uint8Array, start: number): { value: number; end: number } {
  let value = 0;
  for (let offset = start, shift = 0; offset < bytes.length && shift < 35; offset++, shift += 7) {
    value = (value | ((bytes[offset] & 0x7f) << shift)) >>> 0;
    if (bytes[offset] < 0x80) return { value, end: offset + 1 };
  }
  throw new Error('its runs of numbers reach past its end');
}

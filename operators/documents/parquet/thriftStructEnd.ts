/** Walks a Thrift compact structure without building it, so that a lying length is found before memory is taken. */

const BOOLEAN_TRUE = 1;
const BOOLEAN_FALSE = 2;
const BYTE = 3;
const I16 = 4;
const I32 = 5;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

// Parquet's deepest structure (a column's statistics inside a row group inside the footer) nests 7 deep
const MOST_NESTING = 32;

/** The offset behind the struct at `start`, or undefined where `bytes` end first. Throws on what Parquet never writes. */
export function thriftStructEnd(bytes: Uint8Array, start = 0): number | undefined {
  const walk = { bytes, offset: start };
  skipStruct(walk, 0);
  return walk.offset <= bytes.length ? walk.offset : undefined;
}

interface Walk {
  bytes: Uint8Array;
  /** Past the end of `bytes` as soon as anything is missing. */
  offset: number;
}

function skipStruct(walk: Walk, depth: number): void {
  if (depth > MOST_NESTING) throw new Error(`metadata nests more than ${MOST_NESTING} deep at byte ${walk.offset}`);
  while (walk.offset < walk.bytes.length) {
    const head = walk.bytes[walk.offset++];
    const type = head & 0x0f;
    if (type === 0) return;
    if (head >> 4 === 0) skipVarint(walk); // a field id in full
    if (type !== BOOLEAN_TRUE && type !== BOOLEAN_FALSE) skipValue(walk, type, depth);
  }
  walk.offset = Number.POSITIVE_INFINITY;
}

function skipValue(walk: Walk, type: number, depth: number): void {
  switch (type) {
    case BOOLEAN_TRUE: // in a list a boolean takes a byte
    case BOOLEAN_FALSE:
    case BYTE:
      walk.offset += 1;
      return;
    case I16:
    case I32:
    case I64:
      skipVarint(walk);
      return;
    case DOUBLE:
      walk.offset += 8;
      return;
    case BINARY: {
      const length = skipVarint(walk);
      walk.offset += length;
      return;
    }
    case LIST:
      skipList(walk, depth);
      return;
    case STRUCT:
      skipStruct(walk, depth + 1);
      return;
    default:
      throw new Error(`metadata holds a value of unknown type ${type} at byte ${walk.offset}`);
  }
}

function skipList(walk: Walk, depth: number): void {
  if (depth > MOST_NESTING) throw new Error(`metadata nests more than ${MOST_NESTING} deep at byte ${walk.offset}`);
  const head = walk.bytes[walk.offset++];
  const size = head >> 4 === 15 ? skipVarint(walk) : head >> 4;
  // every element takes a byte at least
  if (size > walk.bytes.length - walk.offset) walk.offset = Number.POSITIVE_INFINITY;
  for (let i = 0; i < size && walk.offset < walk.bytes.length; i++) skipValue(walk, head & 0x0f, depth + 1);
}

/** Returns the varint's value, as a float64: the walk only compares it with lengths. */
function skipVarint(walk: Walk): number {
  let value = 0;
  for (let scale = 1; walk.offset < walk.bytes.length; scale *= 128) {
    const byte = walk.bytes[walk.offset++];
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
  walk.offset = Number.POSITIVE_INFINITY;
  return value;
}

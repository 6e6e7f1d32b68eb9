/** Turns a value's bytes into text, or says why it is no text. */
import { isUtf8 } from 'node:buffer';
import type { SetAsideReason } from '../../schemas/batches.ts';
import type { Value } from './parquet/decodePage.ts';
import type { ColumnKind } from './parquet/findColumns.ts';

export type DecodedText =
  | { text: string; bytes: number; replaced: boolean }
  | { text: null; reason: SetAsideReason; detail: string };

// V8's longest string has 2^29 - 24 characters; a document near it would take the memory of a whole slice
const MOST_TEXT_BYTES = 256 * 1024 * 1024;

/**
 * A byte-order mark at the start is dropped. Bytes that are not UTF-8 (lone surrogates among them) and NUL characters make a
 * text invalid; with `replace` each becomes U+FFFD and `replaced` is true. `bytes` is the text's length as stored.
 */
export function decodeText(bytes: Uint8Array | null, invalidText: 'setAside' | 'replace'): DecodedText {
  if (bytes === null) return setAside('null text');
  if (bytes.length === 0) return setAside('empty text');
  if (bytes.length > MOST_TEXT_BYTES) return setAside('invalid text', `${bytes.length} bytes: over ${MOST_TEXT_BYTES}`);
  const fault = faultOf(bytes);
  if (fault && invalidText === 'setAside') return setAside('invalid text', fault);
  const text = fault ? decodeLoosely(bytes) : decodeValid(bytes);
  if (text.length === 0) return setAside('empty text');
  if (!/\S/.test(text)) return setAside('whitespace only');
  return { text, bytes: bytes.length, replaced: fault !== '' };
}

/** An id or a source as text, null where there is none. */
export function decodeLabel(value: Value, kind: ColumnKind): string | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return kind === 'uuid' ? uuidText(value) : decodeLoosely(value);
  if (kind === 'unsigned') return String(typeof value === 'bigint' ? BigInt.asUintN(64, value) : value >>> 0);
  return String(value);
}

function setAside(reason: SetAsideReason, detail = ''): DecodedText {
  return { text: null, reason, detail };
}

/** '' for a valid text. */
function faultOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) return `not UTF-8 at byte ${firstInvalidByte(bytes)}`;
  const nul = bytes.indexOf(0);
  return nul < 0 ? '' : `NUL at byte ${nul}`;
}

/** Decoding and encoding again changes nothing before the first invalid byte. */
function firstInvalidByte(bytes: Uint8Array): number {
  const again = Buffer.from(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  return bytes.findIndex((byte, b) => byte !== again[b]);
}

const BYTE_ORDER_MARK = '\ufeff';

function decodeValid(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

const loose = new TextDecoder();

function decodeLoosely(bytes: Uint8Array): string {
  return loose.decode(bytes).replaceAll('\0', '\ufffd');
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

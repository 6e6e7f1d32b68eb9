/** Turns documents into windows of token ids: one window a document, or several where long documents are split. */
import {
  type DocumentBatch,
  type SetAside,
  selectDocuments,
  setAside,
  type TokenWindowBatch,
} from '../../schemas/batches.ts';
import type { MapOperator } from '../../schemas/operators.ts';
import { loadTokenizer, type Tokenizer } from './loadTokenizer.ts';
import { tokenPieces } from './tokenPieces.ts';

export interface WindowSettings {
  tokenizerFolder: string;
  /** Tokens in a window at most, special tokens included; at least 2. */
  contextTokens: number;
  /** 'cut' keeps the first window and drops the rest; 'split' makes further windows of the rest, without special tokens. */
  longDocuments: 'cut' | 'split';
}

const windowDocuments: MapOperator<'documents', 'tokenWindows', WindowSettings> = {
  kind: 'map',
  name: 'windowDocuments',
  takes: 'documents',
  gives: 'tokenWindows',
  lane: 'pool',
  async open(settings) {
    const tokenizer = await loadTokenizer(settings.tokenizerFolder);
    return (batch) => windowsOfBatch(batch, tokenizer, settings);
  },
};
export default windowDocuments;

/** A document without a second token has nothing to predict: it is set aside as 'one token'. */
export function windowsOfBatch(
  batch: DocumentBatch,
  tokenizer: Tokenizer,
  settings: Omit<WindowSettings, 'tokenizerFolder'>,
): TokenWindowBatch {
  const rows: number[] = [];
  const lost: SetAside[] = [];
  const windows: Int32Array[] = [];
  const document: number[] = [];
  batch.text.forEach((text, b) => {
    const ids = idsOf(text, tokenizer, settings);
    if (ids.length < 2) {
      lost.push(setAside(batch, b, 'one token', `${ids.length} of the 2 tokens it takes`));
      return;
    }
    for (const window of cutIntoWindows(ids, settings.contextTokens)) {
      windows.push(window);
      document.push(rows.length);
    }
    rows.push(b);
  });
  const columns = selectDocuments(batch, rows);
  return { ...columns, setAside: [...columns.setAside, ...lost], windows: concatenate(windows, document) };
}

/** All the ids, or under 'cut' the first `contextTokens`, for which only as much text is tokenised as they take. */
function idsOf(
  text: string,
  tokenizer: Tokenizer,
  { contextTokens, longDocuments }: Omit<WindowSettings, 'tokenizerFolder'>,
): Int32Array {
  const wanted = longDocuments === 'cut' ? contextTokens : Number.POSITIVE_INFINITY;
  // Eight characters a token are more than nearly any language needs, and a piece that falls short is followed by another.
  const pieces = tokenPieces(tokenizer, text, longDocuments === 'cut' ? Math.min(65536, 8 * contextTokens) : undefined);
  const kept: Int32Array[] = [];
  let length = 0;
  for (const piece of pieces) {
    const ids = Int32Array.from(length + piece.length > wanted ? piece.slice(0, wanted - length) : piece);
    kept.push(ids);
    length += ids.length;
    if (length >= wanted) break;
  }
  return joined(kept);
}

/** A window's first token has nothing before it and carries no loss, so a last window of one token has none and is dropped. */
function cutIntoWindows(ids: Int32Array, contextTokens: number): Int32Array[] {
  const windows: Int32Array[] = [];
  for (let at = 0; at + 1 < ids.length; at += contextTokens) windows.push(ids.subarray(at, at + contextTokens));
  return windows;
}

function concatenate(windows: Int32Array[], document: number[]): TokenWindowBatch['windows'] {
  const start = new Uint32Array(windows.length + 1);
  windows.forEach((window, w) => {
    start[w + 1] = start[w] + window.length;
  });
  return {
    document: Uint32Array.from(document),
    start,
    ids: joined(windows),
    lossFrom: new Uint32Array(windows.length).fill(1),
  };
}

function joined(parts: Int32Array[]): Int32Array {
  const whole = new Int32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Tokenises a text of any length piece by piece, so that memory follows the piece; the ids are those of the whole text. */
import type { Tokenizer } from './loadTokenizer.ts';

const PIECE_CHARACTERS = 65536;

/** Characters on either side of a cut that are tokenised together and apart to see whether the cut is harmless. */
const CONTEXT = 256;

/** Cuts tried for a piece, of each kind. */
const CUTS_TRIED = 24;

/**
 * The ids of `text` with the tokenizer's special tokens, in pieces of about `pieceCharacters` characters. A piece ends before a
 * space or, failing that, where letters and other characters meet, at a place where the ids around the cut are the same with and
 * without it. A text that has no such place in the second half of a piece is cut where the piece is full, and the tokens at that
 * cut may differ from the whole text's.
 */
export function* tokenPieces(
  tokenizer: Tokenizer,
  text: string,
  pieceCharacters = PIECE_CHARACTERS,
): Generator<readonly number[]> {
  yield tokenizer.prefix;
  for (let at = 0; at < text.length; ) {
    const { end, next } =
      text.length - at <= pieceCharacters
        ? { end: text.length, next: text.length }
        : findCut(tokenizer, text, at, at + pieceCharacters);
    yield tokenizer.encodeCompletion(text.slice(at, end));
    at = next;
  }
  yield tokenizer.suffix;
}

/** A piece ends at `end` and the next begins at `next`: the space between is dropped where the tokenizer adds one of its own. */
interface Cut {
  end: number;
  next: number;
}

function findCut(tokenizer: Tokenizer, text: string, at: number, full: number): Cut {
  const earliest = at + Math.ceil((full - at) / 2);
  for (const isCandidate of [isBeforeSpace, isEdgeOfWord]) {
    let tried = 0;
    for (let end = full; end > earliest && tried < CUTS_TRIED; end--) {
      if (!isCandidate(text, end)) continue;
      tried++;
      for (const next of text[end] === ' ' ? [end, end + 1] : [end])
        if (isHarmless(tokenizer, text, at, end, next)) return { end, next };
    }
  }
  const end = isLowSurrogate(text.charCodeAt(full)) && full - 1 > at ? full - 1 : full;
  return { end, next: end };
}

function isBeforeSpace(text: string, at: number): boolean {
  return text[at] === ' ' && text[at - 1] !== ' ';
}

function isEdgeOfWord(text: string, at: number): boolean {
  return !isLowSurrogate(text.charCodeAt(at)) && isWord(text[at]) !== isWord(text[at - 1]);
}

function isWord(character: string): boolean {
  return /[\p{L}\p{N}\p{M}]/u.test(character);
}

function isHarmless(tokenizer: Tokenizer, text: string, at: number, end: number, next: number): boolean {
  const start = Math.max(at, end - CONTEXT);
  const together = tokenizer.encodeCompletion(text.slice(start, next + CONTEXT));
  const before = tokenizer.encodeCompletion(text.slice(start, end));
  const after = tokenizer.encodeCompletion(text.slice(next, next + CONTEXT));
  return (
    together.length === before.length + after.length &&
    together.every((id, i) => id === (i < before.length ? before[i] : after[i - before.length]))
  );
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Says whether a text holds an answer: the same words, numbers and signs in the same order, however they are spaced and punctuated. */
import type { AnswerMatcher } from '../../schemas/operators.ts';
import { unspaced } from '../documents/splitWords.ts';

const matchAnswer: AnswerMatcher = {
  kind: 'matcher',
  name: 'matchAnswer',
  open: () => {
    const normalised = new Map<string, string>();
    return (text, wanted) => {
      const held = normalise(text);
      return wanted.map((answer) => {
        const sought = normalised.get(answer) ?? normalise(answer);
        normalised.set(answer, sought);
        // A text of signs alone says nothing that could be found.
        return sought.trim() !== '' && held.includes(sought);
      });
    };
  },
};
export default matchAnswer;

const letter = String.raw`[[\p{L}\p{M}\p{N}]--[${unspaced}]]`;
/** 1,234.5 as one number; 3, 3.5 and 3x; words; a character of a script without spaces; any other sign; and the space between. */
const pieces = new RegExp(
  String.raw`\s+|(?<![\p{L}\p{N}.,])\p{Nd}{1,3}(?:,\p{Nd}{3})+(?![\p{L}\p{N}])(?:\.\p{Nd}+)?|\p{Nd}+(?:\.\p{Nd}+)*${letter}*|${letter}+|\S`,
  'gv',
);

/**
 * The pieces of a text that count, each between two spaces: NFKC and case-folded words and numbers, and signs of arithmetic where they
 * compute: `7-4=3` and `7 − 4 = 3` are ` 7 - 4 = 3 `, and so `3` is not found in `13`, `3.5` or `-3`, and `Paris` not in `Parisian`.
 * Brackets, quotes and other punctuation are left out. Linear in the text.
 */
export function normalise(text: string): string {
  const found = piecesOf(text);
  let kept = ' ';
  for (let i = 0; i < found.texts.length; i++) {
    const piece = found.texts[i];
    if (isWord(piece)) {
      kept += `${piece.replaceAll(',', '')} `;
      continue;
    }
    const sign = signAt(found, i);
    if (sign === 'operator') kept += `${piece} `;
    else if (sign === 'minus') kept += '-';
  }
  return kept;
}

interface Pieces {
  texts: string[];
  /** Whether there is a space before the piece, or it is the first. */
  spaced: boolean[];
}

function piecesOf(text: string): Pieces {
  const found: Pieces = { texts: [], spaced: [] };
  let spaced = true;
  for (const piece of folded(text).match(pieces) ?? []) {
    const isSpace = piece.trim() === '';
    if (!isSpace) {
      found.texts.push(piece);
      found.spaced.push(spaced);
    }
    spaced = isSpace;
  }
  return found;
}

/** Upper case first, so that ß meets SS; one form of sigma; one character for each sign of arithmetic. */
const folded = (text: string): string =>
  text
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replaceAll('ς', 'σ')
    .replace(/[‐‑‒–—−]/g, '-')
    .replace(/[×·∙⋅]/g, '*')
    .replace(/[÷∕⁄]/g, '/');

/** What the piece at i is among its neighbours: an operator between two operands, the minus of a negative number, or no sign that counts. */
function signAt({ texts, spaced }: Pieces, i: number): 'operator' | 'minus' | null {
  const [before, piece, after]: (string | undefined)[] = [texts[i - 1], texts[i], texts[i + 1]];
  if (piece === '=') return 'operator';
  if (!/^[-+*/^]$/.test(piece) || after === undefined) return null;
  const attached = !spaced[i + 1];
  if (piece === '-' && attached && isNumber(after) && !isOperand(before, spaced[i])) return 'minus';
  if (before === undefined || !/[\p{L}\p{M}\p{N})\]]$/u.test(before) || !/^[\p{L}\p{N}([+-]/u.test(after)) return null;
  return isName(before) && isName(after) && before.length + after.length > 2 ? null : 'operator';
}

/** Whether what stands before a minus is subtracted from: `7 -4`, `(7)-4` and `x -4`, but not `is -4`. */
function isOperand(before: string | undefined, spaceBefore: boolean): boolean {
  if (before === undefined) return false;
  if (isName(before)) return !spaceBefore || before.length === 1;
  return isWord(before) || before === ')' || before === ']';
}

const isWord = (piece: string): boolean => /^(?:[a-z0-9]|[\p{L}\p{M}\p{N}])/u.test(piece);
const isNumber = (piece: string): boolean => /^\p{N}/u.test(piece);
/** A word without digits: between two of them a sign is a hyphen or a stroke, unless they are single letters. */
const isName = (piece: string): boolean => /^[\p{L}\p{M}]+$/u.test(piece);

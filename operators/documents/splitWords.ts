/** Splits text into the words that word overlap and duplicates are counted in. */

/** Scripts written without spaces between words, as the inside of a character class: each character stands as a word of its own. */
export const unspaced = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;
const run = String.raw`[${unspaced}]\p{M}*|[[\p{L}\p{N}\p{M}]--[${unspaced}]]+`;
const words = new RegExp(run, 'gv');
const wordsAndSigns = new RegExp(String.raw`${run}|\S`, 'gv');

/**
 * Runs of Unicode letters, marks and digits, in order, of the whole text in lower case after NFKC: `y2`, `1995` and `é` are words, `don't`
 * is two. Linear in the text.
 */
export function splitWords(text: string): string[] {
  return text.normalize('NFKC').toLowerCase().match(words) ?? [];
}

/** The same words with every other visible character as a piece of its own between them: `7-4 = 3` is `7`, `-`, `4`, `=`, `3`. */
export function splitPieces(text: string): string[] {
  return text.normalize('NFKC').toLowerCase().match(wordsAndSigns) ?? [];
}

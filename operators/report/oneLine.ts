/** Text from documents, ids and sources as one line that a terminal can be trusted with, no wider than given. */
import { printableText } from './printableText.ts';

/** East Asian wide characters and emoji, which take two columns. */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2ff}\u{1f000}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

const columnsOf = (character: string): number => (character < '\u1100' || !wide.test(character) ? 1 : 2);

/** White space becomes one blank, an unprintable character `\u{1b}`; the line is cut to `width` columns. */
export function oneLine(text: string, width: number): string {
  const shown = text.trimStart().slice(0, 20 * width); // of a document of megabytes only so much can be shown
  return cut(printableText(shown.replace(/[\s\u0085]+/g, ' ')).trimEnd(), width);
}

/** The line as it is where it fits into `width` columns, else cut between code points, with `…` for what is missing. */
export function cut(line: string, width: number): string {
  let columns = 0;
  let fits = 0;
  let end = 0;
  for (const character of line) {
    columns += columnsOf(character);
    if (columns > width) return `${line.slice(0, fits).trimEnd()}…`;
    end += character.length;
    if (columns < width) fits = end;
  }
  return line;
}

/** Columns that a printable line takes; a combining mark counts as one, so never fewer than on the terminal. */
export function lineWidth(line: string): number {
  let columns = 0;
  for (const character of line) columns += columnsOf(character);
  return columns;
}

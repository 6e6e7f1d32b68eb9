/** Text from files and data made safe for a terminal: control characters and direction overrides are shown, not obeyed. */

// Controls, marks that reorder or hide what stands beside them, halves of surrogate pairs, line separators; but tab, line feed
// and the joiners that Persian, Hindi and emoji are written with.
const unprintable = /(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` with every such character written as `\u{1b}`; line feeds and tabs stay. */
export function printableText(text: string): string {
  return text.replace(unprintable, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}

/** The same on one line. */
export function printableLine(text: string): string {
  return printableText(text).replaceAll('\n', '\\n').replaceAll('\t', ' ');
}

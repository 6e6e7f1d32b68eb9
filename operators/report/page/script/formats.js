/** Writes numbers as the page shows them. A value that is not there is a dash. */

export const NONE = '–';

/** @param {number} value */
export const counted = (value) => value.toLocaleString('en');

/** A real minus sign, as wide as the plus. @param {string} text */
export const withMinus = (text) => text.replace(/^-/, '−');

/** @param {number | null} value @param {number} [digits] */
export const fixed = (value, digits = 2) =>
  value === null ? NONE : withMinus(value.toFixed(digits).replace(/^-(?=[0.]+$)/, ''));

/** Three digits that count, with groups of thousands. @param {number | null} value */
export function measured(value) {
  if (value === null) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e7)) return withMinus(value.toExponential(1));
  const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return withMinus(value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits }));
}

/** @param {number | null} value */
export const signed = (value) => (value !== null && value > 0 ? `+${measured(value)}` : measured(value));

/** @param {number | null} share */
export const percentText = (share) => (share === null ? NONE : `${Number((100 * share).toPrecision(3))} %`);

/** @param {number | null} ratio */
export const times = (ratio) =>
  ratio === null ? NONE : `${ratio >= 100 ? Math.round(ratio) : Number(ratio.toPrecision(2))}×`;

/** @param {string} task */
export const taskName = (task) => (task === '' ? 'all queries' : task);

/** @param {string} text @param {number} length */
export const shortened = (text, length) =>
  [...text].length > length ? `${[...text].slice(0, length - 1).join('')}…` : text;

/** Figures that are drawn again when their width or the theme changes. */
import { element } from './elements.js';

/** @type {{ box: HTMLElement, draw: (width: number) => Node, width: number }[]} */
export const figures = [];

/**
 * @typedef {object} FigureOptions
 * @property {string} title
 * @property {string} [note] how to read it
 * @property {string} description what a reader who does not see it is told
 * @property {Node[]} [controls]
 * @property {(width: number) => Node} draw
 * @property {Node} data the same as a table
 */

/** @param {FigureOptions} options */
export function figure({ title, note = '', description, controls = [], draw, data }) {
  const box = element('div', { class: 'plot', role: 'group', 'aria-label': `${title}. ${description}` });
  const caption = element(
    'figcaption',
    {},
    element('h3', {}, title),
    note === '' ? null : element('p', { class: 'note' }, note),
  );
  const drawn = { box, draw, width: 0 };
  figures.push(drawn);
  watcher.observe(box);
  return { node: element('figure', {}, caption, ...controls, box, data), redraw: () => drawFigure(drawn) };
}

const watcher = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const drawn = figures.find(({ box }) => box === target);
    if (drawn && contentRect.width > 0 && Math.abs(drawn.width - contentRect.width) > 1) drawFigure(drawn);
  }
});

/** @param {(typeof figures)[number]} drawn */
function drawFigure(drawn) {
  drawn.width = Math.floor(drawn.box.clientWidth);
  if (drawn.width > 0) drawn.box.replaceChildren(drawn.draw(drawn.width));
}

/** Called when the theme has changed. @type {(() => void)[]} */
export const afterTheme = [];

export function drawAll() {
  for (const drawn of figures) drawFigure(drawn);
}

/**
 * A plot in the page's type and paper, read out as one picture.
 * @param {string} label
 * @param {object} options
 * @returns {Element}
 */
export function plot(label, options) {
  const drawn = Plot.plot({ style: { background: 'none', fontFamily: 'var(--sans)', fontSize: '12px' }, ...options });
  drawn.setAttribute('role', 'img');
  drawn.setAttribute('aria-label', label);
  for (const mark of drawn.querySelectorAll('g[aria-label]')) {
    mark.setAttribute('data-mark', mark.getAttribute('aria-label') ?? '');
    mark.removeAttribute('aria-label');
  }
  return drawn;
}

/**
 * Ticks of a logarithmic axis at 1, 2 and 5 of each decade, or at its powers of ten where those would be too many.
 * @param {number} low @param {number} high @param {number} most
 */
export function logTicks(low, high, most) {
  const decades = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  const within = (/** @type {number[]} */ steps) =>
    decades
      .flatMap((decade) => steps.map((step) => Number(`${step}e${decade}`)))
      .filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  const [fine, coarse] = [within([1, 2, 5]), within([1])];
  if (fine.length <= most) return fine;
  const step = Math.ceil(coarse.length / most);
  return coarse.length > 1 ? coarse.filter((_, i) => i % step === 0) : within([1, 3]);
}

/**
 * The marks of a logarithmic axis with a text at every tick; Plot's own axis leaves some without.
 * @param {'x' | 'y'} side @param {number[]} ticks @param {(tick: number) => string} text @param {string} label
 */
export function logAxis(side, ticks, text, label) {
  const options = { text, label, labelArrow: /** @type {const} */ ('none') };
  if (side === 'x') return [Plot.gridX(ticks), Plot.axisX(ticks, { ...options, labelAnchor: 'center' })];
  return [Plot.gridY(ticks), Plot.axisY(ticks, { ...options, labelAnchor: 'top' })];
}

/** The label of an axis, below its middle. */
export const centred = { labelAnchor: 'center', labelArrow: 'none' };

/** A tip that stands on the page's paper. */
export const tip = { fill: 'var(--paper)', stroke: 'var(--soft)', lineHeight: 1.35 };

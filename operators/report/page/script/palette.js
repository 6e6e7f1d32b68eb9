/** The page's colours: told apart by readers who are colour-blind, and joined by a shape where they carry meaning. */
import { element, isolated } from './elements.js';
import { model } from './model.js';

/** Blue, orange, green-blue, purple, ochre, crimson, grey, cyan: dark enough for light paper, light enough for dark. */
const taskColours = {
  light: ['#0b5cad', '#c25700', '#0d7d68', '#7b3f9d', '#806300', '#b0305c', '#555555', '#117a94'],
  dark: ['#86b9f2', '#f2a35e', '#5fd0b5', '#c9a0e6', '#dcc056', '#f08cab', '#b9b9b9', '#6fd0ea'],
};
export const taskSymbols = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross', 'wye', 'diamond2'];

/** From opponents to proponents; the middle is the paper, so that nothing is shown as nothing. */
const divergingColours = {
  light: ['#7f3a00', '#c9690f', '#f0b67f', '#fcfbf8', '#9cc3e6', '#2f78bd', '#083f78'],
  dark: ['#ffc48a', '#e08a3c', '#7c4a1d', '#141517', '#1f4a76', '#4a92da', '#b3d6ff'],
};

/** @returns {'light' | 'dark'} */
export const theme = () => (document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light');

/** @param {string} task */
export const placeOfTask = (task) => Math.max(0, model.tasks.indexOf(task));
/** @param {string} task */
export const taskColour = (task) => taskColours[theme()][placeOfTask(task) % taskSymbols.length];
/** @param {string} task */
export const taskSymbol = (task) => taskSymbols[placeOfTask(task) % taskSymbols.length];

/** A colour for −1 to 1. @returns {(share: number) => string} */
export function diverging() {
  const colours = d3.piecewise(d3.interpolateRgb, divergingColours[theme()]);
  return (share) => colours((Math.max(-1, Math.min(1, share)) + 1) / 2);
}

/** Black or white, whichever is read more easily on it. @param {string} colour */
export function inkOn(colour) {
  const { r, g, b } = d3.rgb(colour);
  const linear = [r, g, b].map((value) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 ? '#000000' : '#ffffff';
}

/** The scale of diverging colours in words and colour. @param {string} low @param {string} high */
export function rampLegend(low, high) {
  const scale = element('span', { class: 'scale' });
  scale.style.background = `linear-gradient(to right, ${divergingColours[theme()].join(', ')})`;
  return element('p', { class: 'ramp' }, low, scale, high);
}

/** @param {string[]} tasks */
export function taskLegend(tasks) {
  if (tasks.length === 1 && tasks[0] === '') return element('ul', { class: 'legend' });
  return element('ul', { class: 'legend' }, ...tasks.map((task) => element('li', {}, swatch(task), isolated(task))));
}

/** @param {string} task */
function swatch(task) {
  const symbol = d3[`symbol${taskSymbol(task)[0].toUpperCase()}${taskSymbol(task).slice(1)}`];
  const svg = d3
    .create('svg')
    .attr('width', 14)
    .attr('height', 14)
    .attr('viewBox', '-7 -7 14 14')
    .attr('aria-hidden', 'true');
  svg.append('path').attr('d', d3.symbol(symbol, 70)()).attr('fill', taskColour(task));
  return svg.node();
}

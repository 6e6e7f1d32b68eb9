/** Light or dark: as the reader's system has it until they choose. */
import { byId } from './elements.js';
import { afterTheme, drawAll } from './figures.js';
import { theme } from './palette.js';

/** @param {string} name */
function setTheme(name) {
  document.documentElement.dataset.theme = name;
  const button = byId('theme');
  button.setAttribute('aria-pressed', String(name === 'dark'));
  drawAll();
  for (const redraw of afterTheme) redraw();
}

export function followTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  setTheme(dark.matches ? 'dark' : 'light');
  dark.addEventListener('change', () => setTheme(dark.matches ? 'dark' : 'light'));
  byId('theme').addEventListener('click', () => setTheme(theme() === 'dark' ? 'light' : 'dark'));
  let screen = theme();
  addEventListener('beforeprint', () => {
    screen = theme();
    setTheme('light');
  });
  addEventListener('afterprint', () => setTheme(screen));
}

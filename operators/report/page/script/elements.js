/** Builds the page's elements. Text from the run reaches the page here alone, and always as text. */

/**
 * An element with attributes and children; a string child becomes text. Attributes that are null are left out.
 * @param {string} tag
 * @param {Record<string, string | number | null>} [attributes]
 * @param {...(Node | string | number | null)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, String(value));
  made.append(
    ...children.filter((child) => child !== null).map((child) => (child instanceof Node ? child : String(child))),
  );
  return made;
}

/** Text whose direction is its own, so that it turns nothing round it. @param {string} text */
export const isolated = (text) => element('bdi', {}, text);

/** @param {string} id */
export const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Where a section's content goes. @param {string} section */
export const mountOf = (section) => /** @type {HTMLElement} */ (byId(section).querySelector('[data-mount]'));

/**
 * @typedef {object} Column
 * @property {string} title
 * @property {'number' | 'long' | ''} [kind] numbers stand to the right, long texts wrap
 */

/**
 * A table in a box of its own that scrolls; the first cell of a row is its header.
 * @param {string} caption
 * @param {Column[]} columns
 * @param {(string | number | Node)[][]} rows
 */
export function tableOf(caption, columns, rows) {
  const cell = (/** @type {string} */ tag, /** @type {string | number | Node} */ value, /** @type {number} */ c) =>
    element(
      tag,
      { class: columns[c].kind || null, scope: tag === 'th' ? 'row' : null },
      typeof value === 'string' ? isolated(value) : value,
    );
  const head = columns.map(({ title, kind }) => element('th', { scope: 'col', class: kind || null }, title));
  const body = rows.map((row) => element('tr', {}, ...row.map((value, c) => cell(c === 0 ? 'th' : 'td', value, c))));
  const table = element(
    'table',
    {},
    element('caption', {}, caption),
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...body),
  );
  return element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': caption }, table);
}

/**
 * A figure's numbers, made once the reader opens them.
 * @param {string} caption
 * @param {Column[]} columns
 * @param {() => (string | number | Node)[][]} rows
 * @param {string} [title] what the reader opens
 */
export function dataTable(caption, columns, rows, title = 'Data as a table') {
  const details = element(
    'details',
    {},
    element('summary', {}, title, element('span', { class: 'hidden' }, `: ${caption}`)),
  );
  details.addEventListener(
    'toggle',
    () => details.children.length > 1 || details.append(tableOf(caption, columns, rows())),
    { once: true },
  );
  return details;
}

/**
 * A row of radio buttons.
 * @param {string} title
 * @param {string} name
 * @param {[value: string, label: string][]} choices
 * @param {string} chosen
 * @param {(value: string) => void} onChange
 */
export function radios(title, name, choices, chosen, onChange) {
  const labels = choices.map(([value, label]) => {
    const input = /** @type {HTMLInputElement} */ (element('input', { type: 'radio', name, value }));
    input.checked = value === chosen;
    input.addEventListener('change', () => onChange(value));
    return element('label', {}, input, label);
  });
  return element('fieldset', {}, element('legend', {}, title), ...labels);
}

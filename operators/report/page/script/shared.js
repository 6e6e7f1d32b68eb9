/** Documents that the queries of a task share, and groups of near-duplicates. */
import { element, isolated, mountOf, tableOf } from './elements.js';
import { counted, NONE, shortened, taskName } from './formats.js';
import { model } from './model.js';
import { placeOfTask } from './palette.js';

/** @typedef {import('./elements.js').Column} Column */

export function showShared() {
  const mount = mountOf('shared');
  const groups = d3.groups(model.shared, ({ task }) => task).sort(([a], [b]) => placeOfTask(a) - placeOfTask(b));
  const columns = /** @type {Column[]} */ ([
    { title: 'Document' },
    { title: 'Source' },
    { title: 'Kind' },
    { title: 'In the first documents of' },
    { title: 'Text', kind: 'long' },
  ]);
  for (const [task, rows] of groups) {
    const caption = `${taskName(task)}: documents in the first ${rows[0].depth} of the most queries`;
    mount.append(element('h3', {}, isolated(taskName(task))), tableOf(caption, columns, rows.map(sharedRow)));
  }
}

/** @param {import('../../reportModel.ts').SharedDocument} row */
const sharedRow = ({ document: place, id, source, kind, queries, of }) => [
  id,
  source ?? NONE,
  kind ?? NONE,
  meter(queries, of),
  place === null ? NONE : shortened(model.documents[place].text, 140),
];

/** @param {number} count @param {number} of */
function meter(count, of) {
  const fill = element('i');
  fill.style.width = `${(100 * count) / of}%`;
  return element(
    'span',
    {},
    element('span', { class: 'meter', 'aria-hidden': 'true' }, fill),
    `${counted(count)} of ${counted(of)} queries`,
  );
}

export function showDuplicates() {
  if (model.duplicates.length === 0) return;
  const columns = /** @type {Column[]} */ ([
    ...[{ title: 'Group', kind: '' }, { title: 'Document' }, { title: 'Source' }, { title: 'Same as the first' }],
    { title: 'Rankings', kind: 'number' },
    { title: 'Text', kind: 'long' },
  ]);
  const rows = model.duplicates.flatMap(({ group, members, rankings }) =>
    members.map(({ document: place, id, source, exact, similarity }, i) => [
      ...[
        `${group}`,
        id,
        source ?? NONE,
        i === 0 ? NONE : exact ? 'word for word' : `${Math.round(100 * similarity)} % alike`,
      ],
      ...[rankings, place === null ? NONE : shortened(model.documents[place].text, 120)],
    ]),
  );
  mountOf('duplicates').append(tableOf('Groups of near-duplicates among the ranked documents', columns, rows));
}

/** What the run covered, set aside and took, with its settings and versions. */
import { element, mountOf, tableOf } from './elements.js';
import { counted, percentText } from './formats.js';
import { model } from './model.js';

/** @typedef {import('./elements.js').Column} Column */

export function showRun() {
  const { run } = model;
  const number = /** @type {Column} */ ({ title: '', kind: 'number' });
  const block = (/** @type {string} */ title, /** @type {(Node | null)[]} */ ...content) =>
    element('div', {}, element('h3', {}, title), ...content);
  const total = d3.sum(run.seconds, ([, seconds]) => seconds);
  const seconds = /** @type {[string, string][]} */ (run.seconds.map(([stage, value]) => [stage, value.toFixed(1)]));
  const blocks = [
    block('Coverage of the parameters', ...coverageParts()),
    block('Documents', documentsRead()),
    block(
      'Time',
      tableOf(
        'Seconds by stage',
        [{ title: 'Stage' }, { ...number, title: 'Seconds' }],
        [...seconds, ['all', total.toFixed(1)]],
      ),
    ),
    block(
      'Settings',
      tableOf(
        'Settings of the run',
        [{ title: 'Key' }, { title: 'Value', kind: 'long' }],
        run.settings.map(([key, value]) => [key, value]),
      ),
    ),
    block(
      'Versions',
      tableOf(
        'Versions',
        [{ title: 'Package' }, { title: 'Version' }],
        run.versions.map(([name, version]) => [name, version]),
      ),
    ),
    model.trimmed.length > 0
      ? block(
          'What this page leaves out',
          ...model.trimmed.map((sentence) => element('p', { class: 'note' }, sentence)),
        )
      : null,
  ];
  mountOf('run').append(element('div', { class: 'settings' }, ...blocks.filter((made) => made !== null)));
}

function coverageParts() {
  const { coverage } = model.run;
  if (!coverage) return [element('p', { class: 'note' }, 'run.json does not say which layers were tracked.')];
  const { tracked, untracked, trackedParameters, parameters } = coverage;
  const figure = `${counted(trackedParameters)} of ${counted(parameters)} parameters (${percentText(trackedParameters / parameters)}), in ${tracked.length} of ${tracked.length + untracked.length} linear layers.`;
  const bar = element('i');
  bar.style.width = `${(100 * trackedParameters) / parameters}%`;
  const wide = element('span', { class: 'meter', 'aria-hidden': 'true' }, bar);
  wide.style.width = '100%';
  const listed = (/** @type {string} */ title, /** @type {string[]} */ names) =>
    element('p', { class: 'note' }, element('b', {}, `${title}: `), names.join(', '));
  return [
    element('p', { class: 'note' }, figure),
    wide,
    listed('Tracked', layerKinds(tracked)),
    listed('Not tracked', [...layerKinds(untracked), 'embeddings', 'norms', 'the output head']),
  ];
}

/** Names with their layer numbers folded: 90 layers are three kinds. @param {string[]} names */
const layerKinds = (names) => [...new Set(names.map((name) => name.replace(/\.\d+\./g, '.*.')))];

function documentsRead() {
  const { read, scored, skipped, complete } = model.run;
  const rows = [
    ['scored', counted(scored)],
    ...skipped.map(({ reason, documents }) => [`set aside: ${reason}`, counted(documents)]),
    ['read', counted(read)],
  ];
  const table = tableOf(
    'Documents read, scored and set aside',
    [{ title: 'Documents' }, { title: 'Number', kind: 'number' }],
    rows,
  );
  return element('div', {}, table, complete ? null : element('p', { class: 'left-out' }, 'The run was stopped early.'));
}

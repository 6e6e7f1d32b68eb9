/** The masthead and the five findings. */
import { byId, element, isolated, mountOf } from './elements.js';
import { counted } from './formats.js';
import { model } from './model.js';

export function showMasthead() {
  const { run, queries } = model;
  const writer = run.queryModel ?? run.model;
  document.title = `Headwater report: ${writer}`;
  byId('title').replaceChildren('Where the answers of ', isolated(writer), ' come from');
  const base = run.queryModel === null ? '' : `, through the gradients of its base model ${run.model}`;
  byId('deck').textContent =
    `${counted(queries.length)} ${queries.length === 1 ? 'completion' : 'completions'} traced back to ${counted(run.scored)} training documents by ` +
    `influence functions (${preconditionerName()})${base}. ${run.complete ? '' : 'The run was stopped early: these are the documents scored until then.'}`;
  const sources = new Set(model.sources.map(({ name }) => name)).size;
  /** @type {[string, number | null][]} */
  const numbers = [
    ['queries', queries.length],
    ['tasks', model.tasks.length || null],
    ['documents scored', run.scored],
    ['tokens', run.tokens],
    ['sources', sources || null],
    ['set aside', run.read - run.scored],
  ];
  const shown = numbers.filter(([, value]) => value !== null);
  byId('numbers').append(
    ...shown.map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', {}, counted(value ?? 0))),
    ),
  );
  byId('score-preconditioner').textContent = preconditionerName();
  if (run.cosine) {
    byId('score-cosine').textContent = ', divided by the norms of both gradients';
    byId('score-unit').textContent = 'no unit: both gradients are divided by their norms';
  }
}

/** As papers write it. */
function preconditionerName() {
  const names = new Map([
    ['ekfac', 'EK-FAC'],
    ['kfac', 'K-FAC'],
    ['diagonal', 'a diagonal curvature'],
    ['identity', 'plain gradients'],
  ]);
  return names.get(model.run.preconditioner) ?? model.run.preconditioner;
}

/** The unit of a score. */
export const scoreUnit = () => (model.run.cosine ? 'cosine' : 'nats²');

export function showFindings() {
  mountOf('findings').append(...model.findings.map(findingItem));
}

/** @param {import('../../reportModel.ts').Finding} finding */
function findingItem({ number, finding, statement, figure, paper, verdict, reason }) {
  const [kind, mark] =
    verdict === 'replicates' ? ['yes', '✓'] : verdict === 'does not replicate' ? ['no', '✕'] : ['open', '?'];
  const chip = element(
    'span',
    { class: `verdict ${kind}` },
    element('span', { 'aria-hidden': 'true' }, `${mark} `),
    verdict,
  );
  const cell = (/** @type {string} */ title, /** @type {string} */ text, own = '') =>
    element('div', { class: `cell ${own}` }, element('b', {}, title), element('p', {}, text));
  return element(
    'li',
    { class: 'finding' },
    element('span', { class: 'place', 'aria-hidden': 'true' }, number),
    element(
      'div',
      {},
      element('h3', {}, finding.slice(0, 1).toUpperCase() + finding.slice(1)),
      element('p', {}, statement),
      element('p', {}, chip),
      element('p', { class: 'note' }, reason),
    ),
    cell('This run', figure, 'own'),
    cell('The paper', paper),
  );
}

/** One query at a time: its completion, its top and bottom documents token by token, and what BM25 would have found. */
import { orderedQueries } from './correlations.js';
import { dataTable, element, isolated, mountOf, radios } from './elements.js';
import { afterTheme } from './figures.js';
import { scoreUnit } from './findings.js';
import { counted, fixed, measured, shortened, signed, taskName } from './formats.js';
import { model } from './model.js';
import { diverging, inkOn, rampLegend } from './palette.js';

/** @typedef {import('../../reportModel.ts').RankedDocument} Ranked */

const explorer = { query: 0, end: /** @type {'top' | 'bottom'} */ ('top') };

export function showExplorer() {
  const mount = mountOf('explorer');
  const result = element('div', { id: 'query' });
  const select = /** @type {HTMLSelectElement} */ (element('select', { id: 'query-select' }));
  const show = () => {
    select.value = String(explorer.query);
    result.replaceChildren(...queryView());
  };
  const status = element('p', { class: 'hidden', role: 'status' });
  mount.append(chooser(select, status, show), status, result);
  explorer.query = queryOfAddress() ?? orderedQueries()[0] ?? 0;
  fillSelect(select, '');
  if (model.queries.length > 0) show();
  addEventListener('hashchange', () => {
    explorer.query = queryOfAddress() ?? explorer.query;
    show();
  });
  afterTheme.push(show);
}

/** `#query=3` names the fourth query. */
function queryOfAddress() {
  const place = Number(/^#query=(\d+)$/.exec(location.hash)?.[1] ?? -1);
  return place >= 0 && place < model.queries.length ? place : null;
}

/** @param {HTMLSelectElement} select @param {HTMLElement} status @param {() => void} show */
function chooser(select, status, show) {
  const search = /** @type {HTMLInputElement} */ (
    element('input', { id: 'query-search', type: 'search', autocomplete: 'off' })
  );
  const choose = (/** @type {number} */ query) => {
    explorer.query = query;
    history.replaceState(null, '', `#query=${query}`);
    show();
  };
  search.addEventListener('input', () => {
    const found = fillSelect(select, search.value);
    status.textContent = `${found.length} ${found.length === 1 ? 'query' : 'queries'} found`;
    if (found.length > 0 && !found.includes(explorer.query)) choose(found[0]);
    else select.value = String(explorer.query);
  });
  select.addEventListener('change', () => choose(Number(select.value)));
  const step = (/** @type {number} */ by) => () => {
    const next = select.options[select.selectedIndex + by];
    if (next) choose(Number(next.value));
  };
  const button = (/** @type {string} */ text, /** @type {number} */ by) => {
    const made = element('button', { type: 'button' }, text);
    made.addEventListener('click', step(by));
    return made;
  };
  const labelled = (/** @type {string} */ text, /** @type {HTMLElement} */ control) =>
    element('div', { class: 'wide' }, element('label', { for: control.id }, text), control);
  return element(
    'div',
    { class: 'chooser' },
    labelled('Search ids, prompts and completions', search),
    labelled('Query', select),
    button('← Previous', -1),
    button('Next →', 1),
  );
}

/** Lists the queries that hold the words, by task; their places. @param {HTMLSelectElement} select @param {string} words */
function fillSelect(select, words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const text = ({ id, task, prompt, completion }) => `${id} ${task} ${prompt ?? ''} ${completion ?? ''}`.toLowerCase();
  const found = orderedQueries().filter((q) => wanted.every((word) => text(model.queries[q]).includes(word)));
  const groups = d3
    .groups(found, (q) => model.queries[q].task)
    .map(([task, own]) =>
      element(
        'optgroup',
        { label: taskName(task) },
        ...own.map((q) =>
          element(
            'option',
            { value: q },
            `${model.queries[q].id}${model.queries[q].prompt ? `: ${shortened(model.queries[q].prompt.replace(/\s+/g, ' '), 70)}` : ''}`,
          ),
        ),
      ),
    );
  select.replaceChildren(...groups);
  return found;
}

function queryView() {
  const ranking = model.rankings[explorer.query];
  const redraw = (/** @type {string} */ end) => {
    explorer.end = end === 'bottom' ? 'bottom' : 'top';
    list.replaceChildren(...influenceList(ranking));
  };
  const list = element('div', {}, ...influenceList(ranking));
  const ends = radios(
    'Documents',
    'end',
    [
      ['top', 'proponents'],
      ['bottom', 'opponents'],
    ],
    explorer.end,
    redraw,
  );
  const influence = element('div', {}, element('h3', {}, 'By influence'), ends, list);
  const bm25 = element('div', {}, element('h3', {}, 'By BM25, on the same words'), bm25List(ranking));
  return [queryCard(model.queries[explorer.query]), element('div', { class: 'columns' }, influence, bm25)];
}

/** @param {import('../../reportModel.ts').ReportQuery} query */
function queryCard({ id, task, prompt, completion, nats, tokens, answers, holdsAnswer }) {
  const size = [tokens === null ? null : `${counted(tokens)} tokens`, nats === null ? null : `${measured(nats)} nats`]
    .filter(Boolean)
    .join(', ');
  const judged =
    holdsAnswer === null
      ? 'Not known: the query has no answers to compare with.'
      : holdsAnswer
        ? 'The completion holds an answer of the query.'
        : 'The completion holds none of the answers word for word; whether it is wrong is not known.';
  const fit = model.powerLaw.find(({ query }) => query === explorer.query);
  /** @type {[string, string | null][]} */
  const rows = [
    ['Prompt', prompt],
    ['Completion', completion],
    ['Right or wrong', completion === null ? null : judged],
    ['Answers', answers.length > 0 ? answers.join(' · ') : null],
    ['Length', size || null],
    [
      'Power law',
      fit && fit.slope !== null
        ? `slope ${fixed(fit.slope, 3)}, R² ${fixed(fit.rSquared)} over ${counted(fit.documents)} documents`
        : null,
    ],
  ];
  const list = rows.flatMap(([name, value]) =>
    value === null ? [] : [element('dt', {}, name), element('dd', { dir: 'auto' }, value.trim())],
  );
  const title = element(
    'h3',
    {},
    isolated(id),
    ' ',
    task === '' ? null : element('span', { class: 'tag' }, isolated(task)),
  );
  return element('div', { class: 'query' }, title, element('dl', {}, ...list));
}

/** @param {import('../../reportModel.ts').Rankings} ranking */
function influenceList(ranking) {
  const documents = ranking[explorer.end];
  if (documents.length === 0) return [element('p', { class: 'note' }, 'No document is ranked here.')];
  const strongest = d3.max(documents, ({ tokens }) => (tokens ? d3.max(tokens.influence, Math.abs) : 0)) ?? 0;
  const legend = strongest > 0 ? shadeLegend(strongest) : [];
  return [
    ...legend,
    element('ol', { class: 'documents' }, ...documents.map((ranked) => rankedItem(ranked, strongest))),
  ];
}

/** @param {number} strongest */
function shadeLegend(strongest) {
  const note =
    'A token’s shade is what reading it and predicting the next one adds to the score, on a square-root scale that the documents ' +
    `of this list share: half the shade is a quarter of the strongest, ${measured(strongest / 4)}.`;
  return [
    rampLegend(signed(-strongest), `${signed(strongest)} ${scoreUnit()} a token`),
    element('p', { class: 'note' }, note),
  ];
}

/** @param {Ranked} ranked @param {number} strongest */
function rankedItem(ranked, strongest) {
  const { document: place, rank, score, otherRank, group, oneToken, tokens } = ranked;
  const { text } = model.documents[place];
  const otherwise =
    model.rankings[explorer.query].bm25.length === 0 && otherRank === null
      ? null
      : otherRank === null
        ? 'not among BM25’s first'
        : `BM25 rank ${counted(otherRank)}`;
  const facts = [
    otherwise,
    group === null ? null : `near-duplicate, group ${group}`,
    oneToken
      ? element('span', { class: 'flag', title: 'Nearly all of its influence is one token’s' }, 'one-token fluke')
      : null,
  ];
  const shown = tokens
    ? shadedText(tokens, strongest)
    : element(
        'div',
        { class: 'text short', dir: 'auto', tabindex: 0, role: 'group', 'aria-label': `Text of document ${rank}` },
        text,
      );
  return element('li', {}, documentHead(rank, signed(score), score ?? 0, place), factLine(facts), shown);
}

/** @param {number} rank @param {string} figure @param {number} sign @param {number} place */
function documentHead(rank, figure, sign, place) {
  const { id, source, kind } = model.documents[place];
  const tags = [source, kind]
    .filter((tag) => tag !== null && tag !== '')
    .map((tag) => element('span', { class: 'tag' }, isolated(String(tag))));
  const tone = sign > 0 ? 'positive' : sign < 0 ? 'negative' : '';
  return element(
    'div',
    { class: 'head' },
    element('span', { class: 'rank' }, `${rank}.`),
    element('span', { class: `score ${tone}` }, figure),
    ...tags,
    element('span', { class: 'id' }, isolated(id)),
  );
}

/** @param {(string | Node | null)[]} facts */
const factLine = (facts) =>
  element(
    'p',
    { class: 'facts' },
    ...facts
      .filter((fact) => fact !== null)
      .map((fact) => (typeof fact === 'string' ? element('span', {}, fact) : fact)),
  );

/** @param {import('../../reportModel.ts').TokenInfluence} tokens @param {number} strongest */
function shadedText({ texts, influence, before, behind }, strongest) {
  const colour = diverging();
  const spans = texts.map((text, t) => {
    const span = element('span', { class: 'token', title: `${signed(influence[t])}` }, text);
    const share = Math.sign(influence[t]) * Math.sqrt(Math.abs(influence[t]) / (strongest || 1));
    if (Math.abs(share) < 0.12) return span;
    span.style.background = colour(share);
    span.style.color = inkOn(colour(share));
    return span;
  });
  const cut = (/** @type {number} */ count) =>
    count > 0 ? `[${counted(count)} ${count === 1 ? 'token' : 'tokens'}] ` : null;
  const box = element(
    'div',
    { class: 'text', dir: 'auto', tabindex: 0, role: 'group', 'aria-label': 'Text shaded by influence' },
    cut(before),
    ...spans,
    behind > 0 ? ` [${counted(behind)} ${behind === 1 ? 'token' : 'tokens'}]` : null,
  );
  return element('div', {}, box, strongestTokens(texts, influence));
}

/** The shades in words. @param {string[]} texts @param {number[]} influence */
function strongestTokens(texts, influence) {
  const places = d3
    .range(texts.length)
    .sort((a, b) => Math.abs(influence[b]) - Math.abs(influence[a]))
    .slice(0, 20);
  return dataTable(
    'of the text above, by influence',
    [{ title: 'Token' }, { title: 'Place', kind: 'number' }, { title: `Influence, ${scoreUnit()}`, kind: 'number' }],
    () => places.map((t) => [texts[t], t + 1, signed(influence[t])]),
    'Strongest tokens',
  );
}

/** @param {import('../../reportModel.ts').Rankings} ranking */
function bm25List({ bm25 }) {
  if (bm25.length === 0) return element('p', { class: 'note' }, 'BM25’s ranking is not in this run’s tables.');
  const items = bm25.map(({ document: place, rank, bm25: value, score, otherRank }) => {
    const found = otherRank === null ? 'not among those kept by influence' : `influence rank ${counted(otherRank)}`;
    const text = element(
      'div',
      { class: 'text short', dir: 'auto', tabindex: 0, role: 'group', 'aria-label': `Text of BM25’s document ${rank}` },
      bm25Text(place),
    );
    return element(
      'li',
      {},
      documentHead(rank, measured(value), 0, place),
      factLine([found, score === null ? null : `score ${signed(score)}`]),
      text,
    );
  });
  return element('ol', { class: 'documents' }, ...items);
}

/** @param {number} place */
const bm25Text = (place) => model.documents[place].text;

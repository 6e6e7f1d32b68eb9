/** Sources and kinds among the first and last k of the rankings, against their share of the corpus. */
import { dataTable, element, mountOf, radios } from './elements.js';
import { afterTheme, figure, logAxis, plot, tip } from './figures.js';
import { counted, NONE, percentText, shortened, taskName, times } from './formats.js';
import { model } from './model.js';
import { taskColour, taskLegend, taskSymbol, taskSymbols } from './palette.js';
import { tasksOf } from './perNat.js';

/** @typedef {import('./elements.js').Column} Column */

/** @typedef {import('../../reportModel.ts').OverRepresentation} OverRow */

/** @param {'sources' | 'kinds'} section @param {string} noun */
export function showOverRepresentation(section, noun) {
  const rows = model[section];
  if (!rows.some(({ top, bottom }) => top.ratio !== null || bottom.ratio !== null)) return;
  const depths = [...new Set(rows.map(({ k }) => k))].sort((a, b) => a - b);
  const state = { k: depths.includes(50) ? 50 : depths[depths.length - 1] };
  const ends = /** @type {const} */ (['top', 'bottom']).map((end) => ratioFigure(section, noun, end, state));
  const choose = radios(
    'Documents of each ranking, k',
    `${section}-k`,
    depths.map((k) => [String(k), counted(k)]),
    String(state.k),
    (value) => {
      state.k = Number(value);
      for (const { redraw } of ends) redraw();
    },
  );
  mountOf(section).append(
    choose,
    taskLegend(tasksOf(rows)),
    element('div', { class: 'pair' }, ...ends.map(({ node }) => node)),
  );
  redrawLegend(mountOf(section), tasksOf(rows));
}

/** The legend's colours follow the theme. @param {HTMLElement} mount @param {string[]} tasks */
function redrawLegend(mount, tasks) {
  afterTheme.push(() => mount.querySelector(':scope > .legend')?.replaceWith(taskLegend(tasks)));
}

/** @param {'sources' | 'kinds'} section @param {string} noun @param {'top' | 'bottom'} end @param {{ k: number }} state */
function ratioFigure(section, noun, end, state) {
  const rows = model[section];
  const place = end === 'top' ? 'first' : 'last';
  const description = `For each ${noun} a mark by task: its share among the ${place} k documents over its share of the corpus, on a logarithmic axis around 1.`;
  return figure({
    title: end === 'top' ? 'At the top: proponents' : 'At the bottom: opponents',
    note: 'Filled: more often than chance in at least one query of the task (exact test, Bonferroni). Hollow: not so. A mark at the left edge: none.',
    description,
    draw: (width) =>
      plot(
        description,
        ratioOptions(
          width,
          rows.filter(({ k }) => k === state.k),
          end,
        ),
      ),
    data: ratioTable(rows, noun, end),
  });
}

/** @param {number} width @param {OverRow[]} rows @param {'top' | 'bottom'} end */
function ratioOptions(width, rows, end) {
  const tasks = tasksOf(rows);
  const names = namesBySpread(rows);
  const positive = model.sources
    .concat(model.kinds)
    .flatMap((row) => [row.top.ratio, row.bottom.ratio])
    .filter((ratio) => ratio);
  const reach = Math.max(2, d3.max(positive, (ratio) => Math.max(ratio, 1 / ratio)) ?? 2) * 1.15;
  const floor = 1 / reach;
  const shown = rows
    .filter((row) => row[end].ratio !== null)
    .map((row) => ({ ...row, ratio: row[end].ratio || floor, end: row[end] }));
  const step = 9;
  const band = Math.max(26, tasks.length * step + 10);
  const marginLeft = Math.min(140, Math.max(80, width * 0.3));
  const title = (d) =>
    `${d.name}\n${taskName(d.task)}\n${times(d.end.ratio)} (${counted(d.end.count)} of ${counted(d.k * d.queries)})`;
  const perTask = tasks.flatMap((task, i) => {
    const own = shown.filter((row) => row.task === task);
    const dy = (i - (tasks.length - 1) / 2) * step;
    const colour = taskColour(task);
    return [
      Plot.link(own, {
        x1: 1,
        x2: 'ratio',
        y1: 'name',
        y2: 'name',
        dy,
        stroke: colour,
        strokeWidth: 1.2,
        strokeOpacity: 0.55,
      }),
      Plot.dot(own, {
        x: 'ratio',
        y: 'name',
        dy,
        stroke: colour,
        symbol: taskSymbol(task),
        r: 3.6,
        fill: (d) => (d.end.significant ? colour : 'var(--paper)'),
      }),
    ];
  });
  return {
    ...{ width, height: 48 + band * names.length, marginLeft, marginRight: 10, marginTop: 8, marginBottom: 40 },
    x: { type: 'log', domain: [floor, reach], axis: null },
    y: {
      type: 'band',
      domain: names,
      label: null,
      tickSize: 0,
      tickFormat: (d) => shortened(d, Math.floor((marginLeft - 8) / 7)),
    },
    symbol: { domain: taskSymbols, range: taskSymbols },
    marks: [
      Plot.barX(
        names.filter((_, i) => i % 2 === 0),
        { x1: floor, x2: reach, y: (d) => d, fill: 'var(--raised)', inset: 0 },
      ),
      logAxis('x', foldTicks(reach, width < 420 ? 5 : 9), fold, 'Times its share of the corpus (log)'),
      Plot.ruleX([1], { stroke: 'var(--ink)' }),
      ...perTask,
      Plot.tip(shown, Plot.pointer({ ...tip, x: 'ratio', y: 'name', title })),
    ],
  };
}

/** @param {number} ratio a power of two */
const fold = (ratio) => (ratio < 1 ? `1/${Math.round(1 / ratio)}×` : `${ratio}×`);

/** Powers of two round 1, as far as the axis reaches. @param {number} reach @param {number} most */
function foldTicks(reach, most) {
  const folds = Math.floor(Math.log2(reach));
  const step = Math.ceil((2 * folds + 1) / most);
  return d3
    .range(-folds, folds + 1)
    .filter((fold) => fold % step === 0)
    .map((fold) => 2 ** fold);
}

/** The names that stand out most at the top come first. @param {OverRow[]} rows */
function namesBySpread(rows) {
  const mean = d3.rollup(
    rows,
    (own) => d3.mean(own, ({ top }) => top.ratio ?? 0) ?? 0,
    (row) => row.name,
  );
  return [...mean.keys()].sort((a, b) => (mean.get(b) ?? 0) - (mean.get(a) ?? 0));
}

/** @param {OverRow[]} rows @param {string} noun @param {'top' | 'bottom'} end */
function ratioTable(rows, noun, end) {
  const heads = [
    `In the ${end === 'top' ? 'first' : 'last'} k`,
    'Share of corpus',
    'Ratio',
    'Queries where significant',
    'Queries',
  ];
  return dataTable(
    `Ratios by ${noun}, task and k, at the ${end}`,
    [
      { title: noun[0].toUpperCase() + noun.slice(1) },
      { title: 'Task' },
      { title: 'k', kind: 'number' },
      ...heads.map((title) => /** @type {Column} */ ({ title, kind: 'number' })),
    ],
    () =>
      rows.map((row) => [
        row.name,
        taskName(row.task),
        row.k,
        row[end].count,
        percentText(row.share),
        times(row[end].ratio),
        row[end].significant ?? NONE,
        row.queries,
      ]),
  );
}

/** Correlations between queries: a heat map ordered by task, and the means within and between tasks. */
import { dataTable, element, isolated, mountOf } from './elements.js';
import { figure, plot, tip } from './figures.js';
import { counted, fixed, NONE, shortened, taskName } from './formats.js';
import { model } from './model.js';
import { diverging, inkOn, placeOfTask, rampLegend } from './palette.js';

/** @typedef {import('./elements.js').Column} Column */

export function showCorrelations() {
  const mount = mountOf('correlations');
  if (model.pairs.r.some((r) => r !== null)) mount.append(heatMap().node);
  if (model.groups.some(({ mean }) => mean !== null)) mount.append(groupTable());
}

/** Queries in the order of their tasks; those without one come last. */
export function orderedQueries() {
  const place = (/** @type {number} */ q) =>
    model.queries[q].task === '' ? Number.POSITIVE_INFINITY : placeOfTask(model.queries[q].task);
  return d3.range(model.queries.length).sort((a, b) => place(a) - place(b) || a - b);
}

function heatMap() {
  const { pairs, queries } = model;
  const order = orderedQueries();
  const at = /** @type {number[]} */ ([]);
  order.forEach((q, i) => {
    at[q] = i;
  });
  const significant = pairs.significant.filter(Boolean).length;
  const defined = pairs.r.filter((r) => r !== null).length;
  const extent = Math.max(0.1, Math.ceil(10 * (d3.max(pairs.r, (r) => Math.abs(r ?? 0)) ?? 0)) / 10);
  const description = `Heat map of ${counted(defined)} correlations between ${queries.length} queries, ordered by task; ${counted(significant)} are significant.`;
  const draw = (/** @type {number} */ width) =>
    element(
      'div',
      {},
      rampLegend(`r = −${extent}`, `+${extent}`),
      plot(description, heatMapOptions(width, order, at, extent)),
    );
  return figure({
    title: 'Correlation of every pair of queries',
    note:
      `Below the diagonal: every r. Above it: only the ${counted(significant)} of ${counted(defined)} that are significant at 0.05 after ` +
      `Bonferroni’s correction. Over ${counted(pairs.documents)} documents.`,
    description,
    draw,
    data: pairTable(),
  });
}

/** @param {number} width @param {number[]} order @param {number[]} at @param {number} extent */
function heatMapOptions(width, order, at, extent) {
  const { pairs } = model;
  const marginLeft = Math.min(width * 0.3, 150, 16 + 6.8 * (d3.max(namesOfBlocks(order), (name) => name.length) ?? 0));
  const cell = Math.max(1, Math.min(40, Math.floor(Math.min(560, width - marginLeft - 4) / order.length)));
  const side = cell * order.length;
  const colour = diverging();
  const cells = pairs.r.flatMap((r, i) => {
    if (r === null) return [];
    const [low, high] = [at[pairs.a[i]], at[pairs.b[i]]].sort((a, b) => a - b);
    const shown = { r, i, fill: colour(r / extent) };
    return pairs.significant[i]
      ? [
          { ...shown, x: low, y: high },
          { ...shown, x: high, y: low },
        ]
      : [{ ...shown, x: low, y: high }];
  });
  return {
    ...{ width: marginLeft + side + 4, height: side + 30, marginLeft, marginTop: 4, marginRight: 4, marginBottom: 26 },
    x: { type: 'linear', domain: [0, order.length], axis: null },
    y: { type: 'linear', domain: [order.length, 0], axis: null },
    marks: [
      Plot.rect(cells, {
        x1: 'x',
        x2: (d) => d.x + 1,
        y1: 'y',
        y2: (d) => d.y + 1,
        fill: (d) => d.fill,
        shapeRendering: 'crispEdges',
      }),
      Plot.rect(d3.range(order.length), {
        x1: (d) => d,
        x2: (d) => d + 1,
        y1: (d) => d,
        y2: (d) => d + 1,
        fill: 'var(--rule)',
        shapeRendering: 'crispEdges',
      }),
      ...blockMarks(order, cell, marginLeft),
      Plot.tip(
        cells,
        Plot.pointer({ ...tip, x: (d) => d.x + 0.5, y: (d) => d.y + 0.5, title: (d) => pairTitle(d.i), maxRadius: 20 }),
      ),
    ],
  };
}

/** The edges of the tasks with their names, or the queries' own names where there are few. @param {number[]} order @param {number} cell @param {number} marginLeft */
function blockMarks(order, cell, marginLeft) {
  const named = blocksAreTasks(order);
  const blocks = d3.groups(
    order.map((q, i) => ({ i, name: named ? model.queries[q].task : `${i} ${model.queries[q].id}` })),
    (d) => d.name,
  );
  const ranges = blocks.map(([name, own]) => ({
    name: named ? taskName(name) : model.queries[order[own[0].i]].id,
    from: own[0].i,
    to: own[own.length - 1].i + 1,
  }));
  const letters = Math.floor((marginLeft - 10) / 6.8);
  const readable = ranges.filter(({ from, to }) => (to - from) * cell >= 11);
  return [
    named
      ? Plot.rect(ranges, {
          x1: 'from',
          x2: 'to',
          y1: 'from',
          y2: 'to',
          stroke: 'var(--ink)',
          strokeWidth: 1.2,
          fill: 'none',
        })
      : null,
    Plot.text(readable, {
      x: 0,
      dx: -8,
      y: (d) => (d.from + d.to) / 2,
      text: (d) => shortened(d.name, letters),
      textAnchor: 'end',
    }),
    Plot.text(named ? readable.filter(({ from, to }) => (to - from) * cell >= 36) : [], {
      ...{ x: (d) => (d.from + d.to) / 2, y: order.length, dy: 14, textAnchor: 'middle' },
      text: (d) => shortened(d.name, Math.floor(((d.to - d.from) * cell) / 7)),
    }),
  ];
}

/** @param {number[]} order */
const namesOfBlocks = (order) => (blocksAreTasks(order) ? model.tasks : order.map((q) => model.queries[q].id));

/** Few queries are named themselves. @param {number[]} order */
const blocksAreTasks = (order) => model.tasks.length > 0 && order.length > 14;

/** @param {number} i */
function pairTitle(i) {
  const { pairs, queries } = model;
  const note = pairs.significant[i] ? 'significant' : 'not significant';
  return `${queries[pairs.a[i]].id}\n${queries[pairs.b[i]].id}\nr = ${fixed(pairs.r[i])}, ${note}`;
}

function pairTable() {
  const { pairs, queries } = model;
  const strongest = d3
    .range(pairs.r.length)
    .filter((i) => pairs.r[i] !== null)
    .sort((i, j) => Math.abs(pairs.r[j] ?? 0) - Math.abs(pairs.r[i] ?? 0))
    .slice(0, 200);
  const rest = strongest.length < pairs.r.length ? '; all pairs are in correlations.parquet' : '';
  return dataTable(
    `The ${strongest.length} strongest correlations${rest}`,
    [
      { title: 'Query' },
      { title: 'Query' },
      { title: 'r', kind: 'number' },
      { title: 'p', kind: 'number' },
      { title: 'Significant' },
    ],
    () =>
      strongest.map((i) => [
        queries[pairs.a[i]].id,
        queries[pairs.b[i]].id,
        fixed(pairs.r[i], 3),
        pText(pairs.p[i]),
        pairs.significant[i] ? 'yes' : 'no',
      ]),
  );
}

/** @param {number | null} p */
const pText = (p) =>
  p === null ? NONE : p === 0 ? '< 1e−300' : p < 0.001 ? p.toExponential(0).replace('-', '−') : p.toFixed(3);

/** Means of the groups as a square table, shaded as the heat map is. */
function groupTable() {
  const columns = /** @type {Column[]} */ ([
    ...[{ title: 'Task' }, { title: 'Task' }],
    ...['Pairs', 'Mean r', 'Standard deviation', 'Least', 'Most', 'Significant', 'Without r'].map((title) => ({
      title,
      kind: 'number',
    })),
  ]);
  const rows = () =>
    model.groups.map((group) => [
      group.taskA,
      group.taskB,
      group.pairs,
      fixed(group.mean, 3),
      fixed(group.sd, 3),
      fixed(group.min),
      fixed(group.max),
      group.significant,
      group.undefinedPairs,
    ]);
  return figure({
    title: 'Means within and between tasks',
    note: 'Mean r of the pairs; below it, how many of them are significant.',
    description: 'A table whose cells are shaded as the heat map is.',
    draw: () => groupGrid(model.tasks),
    data: dataTable('Correlations within and between tasks', columns, rows),
  }).node;
}

/** @param {string[]} tasks */
function groupGrid(tasks) {
  const groups = new Map(model.groups.map((group) => [JSON.stringify([group.taskA, group.taskB].sort()), group]));
  const extent = d3.max(model.groups, ({ mean }) => Math.abs(mean ?? 0)) || 1;
  const rows = tasks.map((row, i) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, isolated(row)),
      ...tasks.map((column, j) => {
        return j > i ? element('td') : groupCell(groups.get(JSON.stringify([row, column].sort())), extent);
      }),
    ),
  );
  const head = element(
    'tr',
    {},
    element('td'),
    ...tasks.map((task) => element('th', { scope: 'col' }, isolated(task))),
  );
  const table = element(
    'table',
    { class: 'groups' },
    element('caption', { class: 'hidden' }, 'Mean correlation within and between tasks'),
    element('thead', {}, head),
    element('tbody', {}, ...rows),
  );
  return element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Mean correlation within and between tasks' },
    table,
  );
}

/** @param {import('../../reportModel.ts').CorrelationGroup | undefined} group @param {number} extent */
function groupCell(group, extent) {
  if (!group || group.mean === null) return element('td', {}, NONE);
  const cell = element(
    'td',
    {},
    element('strong', {}, fixed(group.mean)),

    element('small', {}, `${counted(group.significant)}/${counted(group.pairs)}`),
  );
  const colour = diverging()((0.8 * group.mean) / extent);
  cell.style.background = colour;
  cell.style.color = inkOn(colour);
  return cell;
}

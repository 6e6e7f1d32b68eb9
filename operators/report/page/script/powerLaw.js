/** Influence against rank on logarithmic axes, a panel for each task, and the slopes that were fitted. */
import { dataTable, element, isolated, mountOf } from './elements.js';
import { figure, logAxis, logTicks, plot, tip } from './figures.js';
import { scoreUnit } from './findings.js';
import { counted, fixed, shortened, taskName } from './formats.js';
import { model } from './model.js';
import { taskColour, taskSymbol, taskSymbols } from './palette.js';
import { measuredTick, tasksOf } from './perNat.js';

/** @typedef {import('./elements.js').Column} Column */

export function showPowerLaw() {
  const lines = model.rankings.flatMap(({ curve }, query) =>
    curve.ranks.length > 1 ? [{ query, task: model.queries[query].task, curve }] : [],
  );
  const mount = mountOf('power-law');
  if (lines.length > 0) mount.append(curvePanels(lines).node);
  if (model.powerLaw.some(({ slope }) => slope !== null)) mount.append(slopeFigure().node);
}

/** @typedef {{ query: number, task: string, curve: { ranks: number[], scores: number[] } }} Curve */

/** @param {Curve[]} lines */
function curvePanels(lines) {
  const tasks = tasksOf(lines);
  const domain = [
    d3.min(lines, ({ curve }) => d3.min(curve.scores)),
    d3.max(lines, ({ curve }) => d3.max(curve.scores)),
  ];
  const ranks = d3.max(lines, ({ curve }) => d3.max(curve.ranks)) ?? 1;
  const flat = domain[0] === domain[1] ? [domain[0] / 2, domain[1] * 2] : domain;
  const description = `A panel for each of ${tasks.length} tasks: a thin line for each query, from rank 1 to ${ranks}.`;
  const draw = (/** @type {number} */ width) => {
    const most = Math.max(1, Math.floor(width / 230));
    const columns = Math.ceil(tasks.length / Math.ceil(tasks.length / most));
    const box = element('div', { class: 'panels' });
    box.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const own = Math.floor((width - 28 * (columns - 1)) / columns);
    box.append(...tasks.map((task) => curvePanel(Math.min(own, 460), task, lines, flat, ranks)));
    return box;
  };
  return figure({
    title: 'Score by rank, for each query',
    note: 'Thin: one query. Dashed: the mean of the lines fitted to the task’s queries, over all ranks. All panels share their axes.',
    description,
    draw,
    data: powerLawTable(),
  });
}

/** @param {number} width @param {string} task @param {Curve[]} lines @param {number[]} domain @param {number} ranks */
function curvePanel(width, task, lines, domain, ranks) {
  const points = lines
    .filter((line) => line.task === task)
    .flatMap(({ query, curve }) => curve.ranks.map((rank, i) => ({ query, rank, score: curve.scores[i] })));
  const fit = model.powerLawTasks.find((row) => row.task === task);
  const slope = fit
    ? `mean slope ${fixed(fit.slope)}${fit.sd === null ? '' : ` ± ${fixed(fit.sd)}`}, R² ${fixed(fit.rSquared)}`
    : `${new Set(points.map(({ query }) => query)).size} queries`;
  const drawn = plot(`${taskName(task)}: score against rank, ${slope}`, {
    ...{ width, height: 210, marginLeft: 50, marginBottom: 36, marginTop: 22, marginRight: 14 },
    x: { type: 'log', domain: [1, Math.max(2, ranks)], axis: null },
    y: { type: 'log', domain, axis: null },
    marks: [
      logAxis('x', logTicks(1, Math.max(2, ranks), 7), counted, 'Rank (log)'),
      logAxis('y', logTicks(domain[0], domain[1], 5), measuredTick, `Score, ${scoreUnit()} (log)`),
      Plot.lineY(points, {
        x: 'rank',
        y: 'score',
        z: 'query',
        stroke: taskColour(task),
        strokeOpacity: Math.max(0.35, Math.min(0.9, 12 / points.length)),
        strokeWidth: 1,
        clip: true,
      }),
      fit
        ? Plot.lineY(fittedLine(task, ranks), {
            x: 'rank',
            y: 'score',
            stroke: 'var(--ink)',
            strokeDasharray: '5 3',
            strokeWidth: 1.6,
            clip: true,
          })
        : null,
    ],
  });
  return element('div', {}, element('h4', {}, isolated(taskName(task))), element('p', {}, slope), drawn);
}

/** The line of the mean slope and the mean intercept, which is a natural logarithm. @param {string} task @param {number} ranks */
function fittedLine(task, ranks) {
  const fits = model.powerLaw.filter(({ query, slope }) => slope !== null && model.queries[query].task === task);
  const [slope, intercept] = [d3.mean(fits, (fit) => fit.slope) ?? 0, d3.mean(fits, (fit) => fit.intercept) ?? 0];
  return [1, ranks].map((rank) => ({ rank, score: Math.exp(intercept + slope * Math.log(rank)) }));
}

function slopeFigure() {
  const rows = model.powerLaw
    .filter(({ slope }) => slope !== null)
    .map((row) => ({ ...row, task: model.queries[row.query].task }));
  const tasks = tasksOf(rows);
  const description = `Dots of the fitted slope of each of ${rows.length} queries, by task, with the paper’s slopes as lines at −0.36 and −0.34.`;
  const letters = (/** @type {number} */ width) => Math.min(150, Math.max(70, width * 0.26));
  const draw = (/** @type {number} */ width) =>
    plot(description, {
      ...{
        width,
        height: 62 + 34 * tasks.length,
        marginLeft: letters(width),
        marginBottom: 40,
        marginTop: 22,
        marginRight: 24,
      },
      x: {
        label: 'Slope of log score against log rank',
        labelAnchor: 'center',
        nice: true,
        tickFormat: (d) => fixed(d),
        ticks: width < 480 ? 4 : 8,
        labelArrow: 'none',
        grid: true,
      },
      y: {
        type: 'band',
        domain: tasks,
        label: null,
        tickSize: 0,
        tickFormat: (d) => shortened(taskName(d), Math.floor(letters(width) / 7.2)),
      },
      symbol: { domain: taskSymbols, range: taskSymbols },
      marks: [
        Plot.ruleX([-0.36, -0.34], { stroke: 'var(--soft)', strokeDasharray: '3 3' }),
        paperLabel(rows),
        Plot.dot(rows, {
          x: 'slope',
          y: 'task',
          stroke: (d) => taskColour(d.task),
          symbol: (d) => taskSymbol(d.task),
          r: 4,
          strokeOpacity: 0.8,
        }),
        Plot.tickX(
          model.powerLawTasks.filter(({ task }) => tasks.includes(task)),
          { x: 'slope', y: 'task', stroke: 'var(--ink)', strokeWidth: 2 },
        ),
        Plot.tip(
          rows,
          Plot.pointer({
            ...tip,
            x: 'slope',
            y: 'task',
            title: (d) => `${model.queries[d.query].id}\nslope ${fixed(d.slope, 3)}, R² ${fixed(d.rSquared)}`,
          }),
        ),
      ],
    });
  return figure({
    title: 'Slopes by task',
    note: 'A mark for each query; the upright stroke is the mean of the task.',
    description,
    draw,
    data: powerLawTable(),
  });
}

/** The name of the paper's lines, on the side where the queries' slopes are. @param {{ slope: number | null }[]} rows */
function paperLabel(rows) {
  const before = (d3.mean(rows, ({ slope }) => slope) ?? 0) < -0.35;
  const place = before
    ? { x: -0.36, dx: -6, textAnchor: /** @type {const} */ ('end') }
    : { x: -0.34, dx: 6, textAnchor: /** @type {const} */ ('start') };
  return Plot.text(['paper: facts −0.36, reasoning −0.34'], {
    ...place,
    frameAnchor: 'top',
    dy: -12,
    fill: 'var(--soft)',
  });
}

const powerLawTable = () =>
  dataTable(
    'The power law of each query',
    [
      { title: 'Query' },
      { title: 'Task' },
      ...['Documents', 'Slope', 'Standard error', 'Intercept', 'R²'].map(
        (title) => /** @type {Column} */ ({ title, kind: 'number' }),
      ),
    ],
    () =>
      model.powerLaw.map((row) => [
        model.queries[row.query].id,
        taskName(model.queries[row.query].task),
        row.documents,
        fixed(row.slope, 3),
        fixed(row.standardError, 4),
        fixed(row.intercept),
        fixed(row.rSquared, 3),
      ]),
  );

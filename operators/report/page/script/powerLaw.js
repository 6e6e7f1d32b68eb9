/** Influence against rank on logarithmic axes, a panel for each task, and the slopes that were fitted. */
import { dataTable, element, isolated, mountOf } from './elements.js';
import { centred, figure, logTicks, plot, tip } from './figures.js';
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
    note: 'Thin: one query. Dashed: the mean slope of the task, through the middle of its lines. All panels share their axes.',
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
    ...{ width, height: 210, marginLeft: 50, marginBottom: 36, marginTop: 22, marginRight: 8 },
    x: {
      type: 'log',
      domain: [1, Math.max(2, ranks)],
      label: 'Rank (log)',
      ticks: logTicks(1, Math.max(2, ranks), 7),
      tickFormat: (d) => counted(d),
      ...centred,
    },
    y: {
      type: 'log',
      domain,
      label: `Score, ${scoreUnit()} (log)`,
      ticks: logTicks(domain[0], domain[1], 5),
      grid: true,
      tickFormat: measuredTick,
      labelArrow: 'none',
    },
    marks: [
      Plot.lineY(points, {
        x: 'rank',
        y: 'score',
        z: 'query',
        stroke: taskColour(task),
        strokeOpacity: Math.max(0.35, Math.min(0.9, 12 / points.length)),
        strokeWidth: 1,
      }),
      fit
        ? Plot.lineY(slopeLine(points, fit.slope, ranks), {
            x: 'rank',
            y: 'score',
            stroke: 'var(--ink)',
            strokeDasharray: '5 3',
            strokeWidth: 1.6,
          })
        : null,
    ],
  });
  return element('div', {}, element('h4', {}, isolated(taskName(task))), element('p', {}, slope), drawn);
}

/** A straight line of the slope through the middle of the points, both in logarithms. @param {{ rank: number, score: number }[]} points @param {number} slope @param {number} ranks */
function slopeLine(points, slope, ranks) {
  const [x, y] = [d3.mean(points, (d) => Math.log(d.rank)) ?? 0, d3.mean(points, (d) => Math.log(d.score)) ?? 0];
  return [1, ranks].map((rank) => ({ rank, score: Math.exp(y + slope * (Math.log(rank) - x)) }));
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
        Plot.text(['paper: facts −0.36, reasoning −0.34'], {
          x: -0.35,
          frameAnchor: 'top',
          dy: -12,
          fill: 'var(--soft)',
        }),
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

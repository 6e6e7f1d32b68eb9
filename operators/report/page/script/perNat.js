/** Influence per nat of the completion, down to a share of the documents: its mean over a task's queries, and its spread. */
import { dataTable, element, mountOf } from './elements.js';
import { figure, logAxis, logTicks, plot, tip } from './figures.js';
import { fixed, measured, taskName, withMinus } from './formats.js';
import { model } from './model.js';
import { placeOfTask, taskColour, taskLegend, taskSymbol, taskSymbols } from './palette.js';

/** @typedef {import('./elements.js').Column} Column */

const perNatColumns = /** @type {Column[]} */ ([
  { title: 'Task' },
  ...[
    'Share of documents, %',
    'Queries',
    'Mean, nats',
    'Standard deviation',
    'Coefficient of variation',
    'Least',
    'Most',
  ].map((title) => ({ title, kind: 'number' })),
]);

export function showPerNat() {
  if (model.perNat.length === 0) return;
  const mount = mountOf('per-nat');
  mount.append(perNatFigure().node);
  if (model.perNat.some(({ variation }) => variation !== null)) mount.append(variationFigure().node);
}

/** The tasks of some rows in the page's order. @param {{ task: string }[]} rows */
export function tasksOf(rows) {
  return [...new Set(rows.map(({ task }) => task))].sort((a, b) => placeOfTask(a) - placeOfTask(b));
}

const perNatTable = () =>
  dataTable('Influence per nat by task and share of documents', perNatColumns, () =>
    model.perNat.map((row) => [
      taskName(row.task),
      measured(row.percent),
      row.queries,
      measured(row.mean),
      measured(row.sd),
      fixed(row.variation),
      measured(row.min),
      measured(row.max),
    ]),
  );

function perNatFigure() {
  const unit = model.run.cosine ? 'per nat' : 'per nat, nats';
  const rows = model.perNat
    .filter(({ mean }) => mean > 0)
    .map((row) => ({
      ...row,
      low: Math.max(row.min > 0 ? row.min : row.mean / 100, row.mean - (row.sd ?? 0)),
      high: row.mean + (row.sd ?? 0),
    }));
  const description = `Lines of the mean by task over the share of positively ranked documents, from ${measured(d3.min(rows, (d) => d.percent) ?? 0)} % to 100 %, with a band of one standard deviation.`;
  return figure({
    title: 'Mean influence per nat',
    note: 'Line: mean over the queries of a task. Band: one standard deviation to either side, no lower than the least query.',
    description,
    draw: (width) =>
      element(
        'div',
        {},
        taskLegend(tasksOf(rows)),
        plot(description, lineOptions(width, rows, 'mean', `Influence ${unit}`, true)),
      ),
    data: perNatTable(),
  });
}

function variationFigure() {
  const rows = model.perNat.filter(({ variation }) => variation !== null);
  const description = 'Lines of the standard deviation over the mean, by task over the share of documents.';
  return figure({
    title: 'Spread between queries',
    note: 'Standard deviation over mean, among the queries of a task. Lower: the documents matter more evenly.',
    description,
    draw: (width) =>
      element(
        'div',
        {},
        taskLegend(tasksOf(rows)),
        plot(description, lineOptions(width, rows, 'variation', 'Coefficient of variation', false)),
      ),
    data: perNatTable(),
  });
}

/** @param {number} width @param {any[]} rows @param {string} y @param {string} label @param {boolean} logged */
function lineOptions(width, rows, y, label, logged) {
  const series = { x: 'percent', y, z: 'task', stroke: (d) => taskColour(d.task) };
  const title = (d) =>
    `${taskName(d.task)}\nfirst ${measured(d.percent)} % of documents\nmean ${measured(d.mean)}, sd ${measured(d.sd)}`;
  const band = { x: 'percent', y1: 'low', y2: 'high', z: 'task', fill: (d) => taskColour(d.task), fillOpacity: 0.13 };
  const shares = d3.extent(rows, (d) => d.percent);
  const values = d3.extent(rows.flatMap((d) => (logged ? [d.low, d.high] : [d[y]])));
  return {
    ...{
      width,
      height: Math.max(280, Math.min(380, width * 0.72)),
      marginLeft: 54,
      marginBottom: 42,
      marginRight: 12,
      marginTop: 28,
    },
    x: { type: 'log', axis: null },
    y: logged
      ? { type: 'log', axis: null }
      : { label, zero: true, ticks: 5, grid: true, tickFormat: measuredTick, labelArrow: 'none' },
    symbol: { domain: taskSymbols, range: taskSymbols },
    marks: [
      logAxis(
        'x',
        logTicks(shares[0], shares[1], width < 420 ? 5 : 8),
        (d) => `${d}`,
        'Share of positively ranked documents, % (log)',
      ),
      logged ? logAxis('y', logTicks(values[0], values[1], 8), measuredTick, `${label} (log)`) : null,
      logged ? Plot.areaY(rows, band) : null,
      Plot.lineY(rows, { ...series, strokeWidth: 2 }),
      Plot.dot(rows, { ...series, symbol: (d) => taskSymbol(d.task), fill: 'var(--paper)', r: 3 }),
      Plot.tip(rows, Plot.pointer({ ...tip, x: 'percent', y, title })),
    ],
  };
}

/** @param {number} value */
export const measuredTick = (value) =>
  withMinus(
    Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3)
      ? value.toExponential(0)
      : value.toLocaleString('en', { maximumSignificantDigits: 3 }),
  );

/** Answers and intermediate steps found in the top documents: by task, and query by query. */
import { dataTable, element, mountOf, tableOf } from './elements.js';
import { centred, figure, plot } from './figures.js';
import { counted, NONE, shortened, taskName } from './formats.js';
import { model } from './model.js';
import { taskColour } from './palette.js';
import { tasksOf } from './perNat.js';

/** @typedef {import('./elements.js').Column} Column */

export function showAnswers() {
  const mount = mountOf('answers');
  if (model.answerTasks.length > 0) mount.append(answerFigure().node);
  if (model.answers.length === 0) return;
  mount.append(element('h3', {}, 'By query'), answerTable());
}

function answerFigure() {
  const rows = model.answerTasks
    .flatMap((row) => [
      { task: row.task, what: 'answer', count: row.answersFound, of: row.queries },
      { task: row.task, what: 'any step', count: row.anyStep, of: row.withSteps },
      { task: row.task, what: 'all steps', count: row.allSteps, of: row.withSteps },
    ])
    .filter(({ of }) => of > 0)
    .map((row) => ({ ...row, share: row.count / row.of, key: `${row.what} ${row.task}` }));
  const depth = d3.max(model.answerTasks, (row) => row.depth) ?? 0;
  const description =
    'Bars by task: the share of queries with the answer, any step, or all steps among their first documents.';
  return figure({
    title: `Queries whose first ${counted(depth)} documents hold it`,
    note: 'Of the queries that have answers, or steps. The figures at the bars count queries.',
    description,
    draw: (width) => plot(description, answerOptions(width, rows)),
    data: dataTable('Answers and steps found by task', answerColumns, () =>
      model.answerTasks.map((row) => [
        taskName(row.task),
        row.depth,
        row.queries,
        row.answersFound,
        row.withSteps,
        row.anyStep,
        row.allSteps,
      ]),
    ),
  });
}

const answerColumns = /** @type {Column[]} */ ([
  { title: 'Task' },
  ...[
    'Documents looked at',
    'Queries with answers',
    'Answer found',
    'Queries with steps',
    'Any step found',
    'All steps found',
  ].map((title) => ({ title, kind: 'number' })),
]);

/** @param {number} width @param {{ task: string, what: string, share: number, count: number, of: number, key: string }[]} rows */
function answerOptions(width, rows) {
  const tasks = tasksOf(rows);
  const ordered = tasks.flatMap((task) => rows.filter((row) => row.task === task));
  const marginLeft = Math.min(150, Math.max(90, width * 0.3));
  const first = new Set(tasks.map((task) => ordered.find((row) => row.task === task)?.key));
  return {
    ...{
      width: Math.min(width, 760),
      height: 50 + 20 * ordered.length + 14 * tasks.length,
      marginLeft,
      marginRight: 70,
      marginTop: 4,
      marginBottom: 38,
    },
    x: {
      domain: [0, 1],
      tickFormat: (d) => `${100 * d} %`,
      ticks: width < 480 ? [0, 0.5, 1] : 4,
      label: 'Share of queries',
      ...centred,
      grid: true,
    },
    fy: { domain: tasks, label: null, axis: null, padding: 0.12 },
    marks: [
      ...tasks.map((task) =>
        Plot.barX(
          ordered.filter((row) => row.task === task),
          {
            x: 'share',
            y: 'what',
            fy: 'task',
            fill: taskColour(task),
            fillOpacity: (d) => (d.what === 'answer' ? 1 : 0.55),
          },
        ),
      ),
      Plot.text(ordered, {
        x: 'share',
        y: 'what',
        fy: 'task',
        text: (d) => `${d.what}, ${d.count} of ${d.of}`,
        textAnchor: 'start',
        dx: 6,
        fill: 'currentColor',
      }),
      Plot.text(
        ordered.filter(({ key }) => first.has(key)),
        {
          x: 0,
          dx: -10,
          fy: 'task',
          frameAnchor: 'left',
          text: (d) => shortened(taskName(d.task), Math.floor((marginLeft - 10) / 8)),
          textAnchor: 'end',
          fontWeight: 600,
        },
      ),
      Plot.ruleX([0]),
    ],
    ...{
      y: {
        type: 'band',
        domain: ['answer', 'any step', 'all steps'].filter((what) => ordered.some((row) => row.what === what)),
        axis: null,
        padding: 0.22,
      },
    },
  };
}

function answerTable() {
  const columns = /** @type {Column[]} */ ([
    ...[
      { title: 'Query' },
      { title: 'Task' },
      { title: 'What' },
      { title: 'Text looked for', kind: 'long' },
      { title: 'Found' },
    ],
    ...['First at rank', 'Documents'].map((title) => ({ title, kind: 'number' })),
    { title: 'First document', kind: 'long' },
  ]);
  const rows = model.answers.map((row) => {
    const { id, task } = model.queries[row.query];
    return [
      id,
      taskName(task),
      row.what,
      row.text,
      row.found ? 'yes' : 'no',
      row.rank ?? NONE,
      row.found ? `${row.documents} of ${row.depth}` : 0,
      row.documentId ?? NONE,
    ];
  });
  return tableOf('Each answer and step, and the first ranked document that holds it', columns, rows);
}

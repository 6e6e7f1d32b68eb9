/** Says in a sentence for each section what a run cannot show, and why. */
import type { LeftOut, ReportModel, Section } from '../reportModel.ts';
import type { RunTables, TableName } from './columns.ts';

/** Tables that every run of this version writes: where one is missing, the run is older. */
const expected: [TableName, Section][] = [
  ['findings', 'findings'],
  ['correlation_groups', 'correlations'],
  ['influence_per_nat', 'per-nat'],
  ['power_law', 'power-law'],
  ['kinds', 'kinds'],
  ['answers', 'answers'],
  ['bm25_documents', 'explorer'],
  ['shared_documents', 'shared'],
  ['duplicates', 'duplicates'],
];

type Rule = [section: Section, holds: boolean, sentence: string];

/** Rules read alike: a section, when something is left out of it, and what the page says then. */
export function findLeftOut(model: ReportModel, tables: RunTables): LeftOut[] {
  const older = expected
    .filter(([table]) => tables[table] === null)
    .map(
      ([table, section]): Rule => [
        section,
        true,
        `${table}.parquet is not in this folder: the run is an older one, and headwater run makes the table.`,
      ],
    );
  const rules = [...older, ...taskRules(model), ...pairRules(model), ...documentRules(model, tables)];
  return rules.filter(([, holds]) => holds).map(([section, , sentence]) => ({ section, sentence }));
}

function taskRules({ tasks, queries }: ReportModel): Rule[] {
  const none = tasks.length === 0;
  const without = queries.filter(({ task }) => task === '').length;
  const give = 'Give each query a task to have them.';
  return [
    ['correlations', none, `No query has a task: means within and between tasks are left out. ${give}`],
    ['per-nat', none, 'No query has a task: all queries are shown together.'],
    ['power-law', none, 'No query has a task: means by task are left out.'],
    ['sources', none, 'No query has a task: all queries are counted together.'],
    ['kinds', none, 'No query has a task: all queries are counted together.'],
    ['shared', none, `No query has a task: documents shared by a task's queries are left out. ${give}`],
    ['answers', none, `No query has a task: the counts by task are left out. ${give}`],
    ['per-nat', !none && without > 0, `${without} of ${queries.length} queries have no task and are left out here.`],
  ];
}

function pairRules({ queries, pairs, powerLaw, perNat }: ReportModel): Rule[] {
  const undefinedPairs = pairs.r.filter((r) => r === null).length;
  const noSlope = powerLaw.filter(({ slope }) => slope === null).length;
  return [
    ['correlations', queries.length < 2, 'One query has no other to correlate with: the correlations are left out.'],
    [
      'correlations',
      undefinedPairs > 0,
      `${undefinedPairs} of ${pairs.r.length} pairs have no correlation: the scores of one of the two are the same for all documents.`,
    ],
    [
      'power-law',
      noSlope > 0,
      `${noSlope} of ${powerLaw.length} queries have no slope: too few documents with a positive score, or scores that are all the same.`,
    ],
    [
      'per-nat',
      perNat.length === 0,
      'No query has a positive score and a completion measured in nats: the curves are left out.',
    ],
    [
      'per-nat',
      perNat.length > 0 && perNat.every(({ sd }) => sd === null),
      'With one query in each task there is no spread between queries.',
    ],
  ];
}

function documentRules(model: ReportModel, tables: RunTables): Rule[] {
  const { documents, sources, kinds, answers, queries, shared, duplicates, tasks } = model;
  const noSource = sources.length === 0 && documents.every(({ source }) => source === null);
  const noTokens = (tables.token_influence ?? []).length === 0;
  return [
    [
      'sources',
      noSource,
      'The corpus has no source column, or none is named (corpus.sourceColumn): sources are left out.',
    ],
    [
      'sources',
      sources.some(({ share }) => share === null),
      'There were too many sources to count: shares of the corpus, and so the ratios, are left out.',
    ],
    [
      'kinds',
      tables.kinds !== null && kinds.length === 0,
      'No kind of document was recognised: the section is left out.',
    ],
    [
      'answers',
      tables.answers !== null && answers.length === 0,
      'No query has answers or steps: give a query answers (and steps) to have its documents searched for them.',
    ],
    [
      'explorer',
      noTokens,
      'token_influence.parquet is missing or empty (explain.documents: 0): texts are shown without shades.',
    ],
    [
      'explorer',
      queries.length > 0 && queries.every(({ prompt }) => prompt === null),
      'The run did not keep the prompts: run it again to have them shown.',
    ],
    [
      'shared',
      tables.shared_documents !== null && tasks.length > 0 && shared.length === 0,
      'No document stands among the first 100 of two queries of a task.',
    ],
    [
      'duplicates',
      tables.duplicates !== null && duplicates.length === 0,
      'No two ranked documents are near-duplicates.',
    ],
  ];
}

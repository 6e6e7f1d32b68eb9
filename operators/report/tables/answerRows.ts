/** The rows of answers and answer_tasks: which answers and intermediate steps stand in the documents that their queries rank. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Query } from '../../../schemas/queries.ts';
import type { AnswerFound, AnswerTask } from '../../accumulators/answersFound.ts';
import { type CorpusDocuments, documentAt } from '../../documents/corpusDocument.ts';
import type { Columns } from '../writeTable.ts';

export const answerColumns: Columns = {
  query_id: 'string',
  task: 'string',
  /** 'answer' (a row for each alias) or 'step'. */
  what: 'string',
  text: 'string',
  found: 'boolean',
  /** Of the first ranked document that holds it, which the next three name. */
  rank: 'int32?',
  document_id: 'string?',
  file: 'string?',
  row: 'int64?',
  /** How many of the ranked documents hold it. */
  documents: 'int32',
  /** Ranked documents looked at. */
  depth: 'int32',
};

export const answerTaskColumns: Columns = {
  task: 'string',
  depth: 'int32',
  /** With answers; an answer is found where any of its aliases is. */
  queries: 'int32',
  answers_found: 'int32',
  queries_with_steps: 'int32',
  any_step_found: 'int32',
  all_steps_found: 'int32',
};

export function* answerRows(
  found: readonly AnswerFound[],
  queries: readonly Query[],
  documents: CorpusDocuments,
  files: readonly string[],
): Generator<TableRow> {
  for (const { query, what, text, rank, key, documents: holding, depth } of found) {
    const first = key === null ? null : documentAt(documents, key);
    yield {
      query_id: queries[query].id,
      task: queries[query].task,
      what,
      text,
      found: holding > 0,
      rank,
      document_id: first?.id ?? null,
      file: first && files[first.file],
      row: first?.row ?? null,
      documents: holding,
      depth,
    };
  }
}

export function* answerTaskRows(tasks: readonly AnswerTask[]): Generator<TableRow> {
  for (const { task, depth, queries, answersFound, queriesWithSteps, anyStepFound, allStepsFound } of tasks)
    yield {
      task,
      depth,
      queries,
      answers_found: answersFound,
      queries_with_steps: queriesWithSteps,
      any_step_found: anyStepFound,
      all_steps_found: allStepsFound,
    };
}

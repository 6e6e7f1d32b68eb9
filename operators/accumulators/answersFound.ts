/** Looks for each query's answers and intermediate steps in the documents it ranks: facts are found there, reasoning hardly ever is. */
import { InputError } from '../../schemas/errors.ts';
import type { AnswerMatcher, OpenMatcher } from '../../schemas/operators.ts';
import type { Query } from '../../schemas/queries.ts';
import { type CorpusDocuments, documentAt } from '../documents/corpusDocument.ts';
import matchAnswer from './matchAnswer.ts';
import type { RankedDocuments } from './rankedHeaps.ts';
import { byTask } from './tasks/spread.ts';

/** One text that a query looks for: an alias of its answer, or a step on the way to it. */
export interface AnswerFound {
  query: number;
  what: 'answer' | 'step';
  text: string;
  /** Of the first ranked document that holds it; null where none does. */
  rank: number | null;
  key: number | null;
  /** How many of the ranked documents hold it. */
  documents: number;
  /** Ranked documents looked at. */
  depth: number;
}

export interface AnswerTask {
  task: string;
  /** Ranked documents looked at, of the query with the most. */
  depth: number;
  /** With answers. */
  queries: number;
  /** Queries of which any alias of the answer is found. */
  answersFound: number;
  queriesWithSteps: number;
  anyStepFound: number;
  allStepsFound: number;
}

/**
 * A row for each distinct answer and step of each query, in their order; none for a query that has neither. `matcher` is asked once a
 * document. Throws InputError, with the matcher's name, when it fails or gives something else than a boolean for each text.
 */
export async function answersFound(
  ranked: RankedDocuments,
  queries: readonly Query[],
  documents: CorpusDocuments,
  matcher: AnswerMatcher = matchAnswer,
  settings: unknown = undefined,
): Promise<AnswerFound[]> {
  const match = await openChecked(matcher, settings);
  const wanted = queries.map(wantedOf);
  for (const query of ranked.query) for (const row of wanted[query]) ++row.depth;
  for (const [key, places] of placesByDocument(ranked)) {
    const rows = places.flatMap((i) => wanted[ranked.query[i]].map((row) => ({ row, rank: ranked.rank[i] })));
    const texts = [...new Set(rows.map(({ row }) => row.text))];
    if (texts.length === 0) continue;
    const answers = await match(documentAt(documents, key).text, texts, key);
    const held = new Set(texts.filter((_, i) => answers[i]));
    for (const { row, rank } of rows) if (held.has(row.text)) countFound(row, rank, key);
  }
  return wanted.flat();
}

/** By task, in the order of their names. Queries without a task, and tasks without answers and steps, are left out. */
export function answerTasks(found: readonly AnswerFound[], queries: readonly Pick<Query, 'task'>[]): AnswerTask[] {
  const groups = byTask(
    found,
    queries.map(({ task }) => task),
  );
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([task, rows]) => summed(task, byQuery(rows)));
}

function byQuery(rows: AnswerFound[]): AnswerFound[][] {
  const groups = new Map(rows.map(({ query }) => [query, [] as AnswerFound[]]));
  for (const row of rows) groups.get(row.query)!.push(row);
  return [...groups.values()];
}

function summed(task: string, queries: AnswerFound[][]): AnswerTask {
  const of = (what: 'answer' | 'step') =>
    queries.map((rows) => rows.filter((row) => row.what === what)).filter((rows) => rows.length > 0);
  const isFound = ({ documents }: AnswerFound): boolean => documents > 0;
  const [answers, steps] = [of('answer'), of('step')];
  return {
    task,
    depth: Math.max(...queries.flat().map(({ depth }) => depth)),
    queries: answers.length,
    answersFound: answers.filter((rows) => rows.some(isFound)).length,
    queriesWithSteps: steps.length,
    anyStepFound: steps.filter((rows) => rows.some(isFound)).length,
    allStepsFound: steps.filter((rows) => rows.every(isFound)).length,
  };
}

function wantedOf({ answers, steps }: Query, query: number): AnswerFound[] {
  const rows = (what: 'answer' | 'step', texts: string[]) =>
    [...new Set(texts)].map((text): AnswerFound => {
      return { query, what, text, rank: null, key: null, documents: 0, depth: 0 };
    });
  return [...rows('answer', answers), ...rows('step', steps)];
}

/** The rows of the ranking that each document stands in. */
function placesByDocument({ key }: RankedDocuments): Map<number, number[]> {
  const places = new Map<number, number[]>();
  for (const [i, document] of key.entries()) {
    const known = places.get(document);
    if (known) known.push(i);
    else places.set(document, [i]);
  }
  return places;
}

function countFound(row: AnswerFound, rank: number, key: number): void {
  ++row.documents;
  if (row.rank !== null && row.rank < rank) return;
  row.rank = rank;
  row.key = key;
}

type CheckedMatcher = (text: string, wanted: string[], key: number) => Promise<boolean[]>;

async function openChecked({ name, open }: AnswerMatcher, settings: unknown): Promise<CheckedMatcher> {
  const named = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw new InputError(`matcher ${name} ${what}: ${(cause as Error)?.message ?? cause}`, { cause });
    }
  };
  const match: OpenMatcher = await named('could not be opened', () => open(settings));
  if (typeof match !== 'function')
    throw new InputError(`matcher ${name}: expected open to give a function (text, wanted), got ${typeof match}`);
  return async (text, wanted, key) => {
    const found: unknown = await named(`failed on document key ${key}`, () => match(text, wanted.slice()));
    if (Array.isArray(found) && found.length === wanted.length && found.every((held) => typeof held === 'boolean'))
      return found;
    throw new InputError(
      `matcher ${name}: expected ${wanted.length} booleans, one for each text it is asked for, got ${shown(found)} (document key ${key})`,
    );
  };
}

function shown(value: unknown): string {
  if (!Array.isArray(value)) return value === null ? 'null' : typeof value;
  const strange = value.find((held) => typeof held !== 'boolean');
  return strange === undefined ? `${value.length}` : `${typeof strange} among ${value.length}`;
}

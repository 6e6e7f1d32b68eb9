/** Loads an operator, built in or a user's own, from its module and checks that it keeps the contract. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { OperatorFunction } from 'rxjs';
import { tsImport } from 'tsx/esm/api';
import type { ScoreBatch } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import {
  type AnswerMatcher,
  type FoldOperator,
  type JobOperator,
  type MapOperator,
  nounOrder,
} from '../../schemas/operators.ts';
import { withinSeconds } from './withinSeconds.ts';

/** An operator as plain data: the URL of the module whose default export it is, and its settings. */
export interface OperatorSpec {
  module: string;
  settings: unknown;
}

/** Looks on at score batches; what it emits is dropped. */
export type Observer = OperatorFunction<ScoreBatch, unknown> & { file?: string };
export type AnyOperator = MapOperator | FoldOperator | AnswerMatcher | Observer;

/** Seconds that a user's own operator may take to be loaded, and again to be opened. */
export const OPEN_SECONDS = 300;

/** The default export of `module`. Throws InputError naming the file and what it lacks. */
export async function loadOperator(module: string, seconds = OPEN_SECONDS): Promise<AnyOperator> {
  const file = fileOf(module);
  const late = () => new Error(`it was not there after ${seconds} s: does it await what never comes?`);
  const operator = await withinSeconds(defaultExport(module), seconds, late).catch((cause: Error) => {
    throw new InputError(`operator ${file} could not be loaded: ${cause?.message ?? cause}`, { cause });
  });
  const fault = faultOf(operator);
  if (fault) throw new InputError(`operator ${file}: expected the default export to be ${fault}`);
  return operator as AnyOperator;
}

/** The default export of a built-in job's module. */
export async function loadJob(module: string): Promise<JobOperator> {
  if (!isBuiltIn(module)) throw new Error(`loadJob expected a built-in module, got ${module}`);
  return (await import(module)).default as JobOperator;
}

/** The URL of a built-in operator's module: `builtIn('tokens/windowDocuments')`. */
export function builtIn(path: string): string {
  return new URL(`${path}.ts`, ownOperators).href;
}

/** False for a user's own operator. */
export function isBuiltIn(module: string): boolean {
  return module.startsWith(ownOperators);
}

export function fileOf(module: string): string {
  return module.startsWith('file:') ? fileURLToPath(module) : module;
}

const ownOperators = new URL('../../operators/', import.meta.url).href;

/** A user's file may lie in any folder, with a package.json that says `type: module` or with none: tsx then makes it CommonJS. */
async function defaultExport(module: string): Promise<unknown> {
  if (isBuiltIn(module)) return (await import(module)).default;
  const { default: exported } = await tsImport(module, { parentURL: import.meta.url, tsconfig: false });
  // CommonJS made of a module carries its default export one level down.
  return isWrapped(exported) ? exported.default : exported;
}

function isWrapped(exported: unknown): exported is { default: unknown } {
  return typeof exported === 'object' && exported !== null && 'default' in exported && !('kind' in exported);
}

/** SHA-256 of the module's own text: a changed operator is another operator. */
export async function digestModule(module: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(fileURLToPath(module)))
    .digest('hex');
}

const functionsOf = { map: ['open'], fold: ['empty', 'add', 'merge', 'result'], matcher: ['open'] } as const;

function faultOf(operator: unknown): string | null {
  if (typeof operator === 'function') return null;
  if (typeof operator !== 'object' || operator === null)
    return `a map, a fold or a matcher (an object) or an RxJS operator (a function), got ${operator === null ? null : typeof operator}`;
  const { kind, name, takes, gives, lane, ...rest } = operator as Record<string, unknown>;
  if (kind !== 'map' && kind !== 'fold' && kind !== 'matcher')
    return `of kind 'map', 'fold' or 'matcher', got ${JSON.stringify(kind)}`;
  if (typeof name !== 'string' || !/^[\w-]{1,64}$/.test(name))
    return `named by letters, digits, - and _, got ${String(name)}`;
  const missing = functionsOf[kind].find((method) => typeof rest[method] !== 'function');
  if (missing) return `a ${kind} with a function ${missing}, got ${typeof rest[missing]} (${name})`;
  if (kind === 'matcher') return null;
  if (kind === 'fold')
    return takes === 'scores' ? null : `a fold that takes 'scores', got ${JSON.stringify(takes)} (${name})`;
  return faultOfArrow(name, takes, gives, lane);
}

function faultOfArrow(name: string, takes: unknown, gives: unknown, lane: unknown): string | null {
  const [from, to] = [takes, gives].map((noun) => nounOrder.indexOf(noun as never));
  if (from < 0 || to < from)
    return `a map from a noun of ${nounOrder.join(', ')} to the same or a later one, got ${takes} to ${gives} (${name})`;
  if (lane !== 'graph' && lane !== 'pool')
    return `a map with lane 'graph' or 'pool', got ${JSON.stringify(lane)} (${name})`;
  if (lane === 'graph' && (from !== to || from === 1 || from === 2))
    return `a map in the pool, for only documents and scores pass through the graph (${name})`;
  return null;
}

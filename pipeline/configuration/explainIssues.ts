/** Says in Headwater's words what a configuration has wrong: the key, what was expected, what came, and the nearest key. */
import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { printableLine } from '../../operators/report/printableText.ts';
import { configurationJsonSchema, configurationRows } from '../../schemas/configuration.ts';

type Issue = z.core.$ZodIssue;

/** One thing wrong, at the key or the value of `path`. */
export interface Explained {
  path: PropertyKey[];
  part: 'key' | 'value';
  message: string;
}

/** `value` is the configuration that was checked. */
export function explainIssues(issues: Issue[], value: unknown): Explained[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key): Explained => {
        return { path: [...issue.path, key], part: 'key', message: unknownKey(issue.path, key, value) };
      });
    const branch = issue.code === 'invalid_union' && likelyBranch(issue);
    if (branch) return explainIssues(branch, value);
    return [{ path: issue.path, part: 'value', message: wrongValue(issue, value) }];
  });
}

/** Of a union's branches the one that the value was meant for: that whose outermost type fits. */
function likelyBranch({ path, errors }: z.core.$ZodIssueInvalidUnion): Issue[] | undefined {
  const branch = errors.find((issues) =>
    issues.every((issue) => issue.path.length > 0 || issue.code !== 'invalid_type'),
  );
  if (!branch || branch.some(({ code }) => code === 'invalid_value')) return undefined;
  return branch.map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
}

function unknownKey(path: PropertyKey[], key: string, value: unknown): string {
  const full = nameOf([...path, key]);
  const keys = keysAt(configurationJsonSchema() as Schema, path, value);
  const near = nearest(key, keys);
  if (near) return `unknown key ${full}; did you mean ${nameOf([...path, near])}?`;
  const elsewhere = configurationRows().find(
    (row) => row.key !== full && plain(row.key.split('.').at(-1)!) === plain(key),
  );
  if (elsewhere) return `unknown key ${full}; did you mean ${elsewhere.key}?`;
  const kind = valueAt(value, [...path, 'kind']);
  return `unknown key ${full}${kind ? ` with kind ${kind}` : ''}, expected one of ${keys.join(', ')}`;
}

function wrongValue(issue: Issue, configuration: unknown): string {
  const value = valueAt(configuration, issue.path);
  const name = nameOf(issue.path) || 'the configuration';
  if (issue.code === 'custom') return `${name} ${issue.message}`;
  const row = configurationRows().find(({ key }) => key === name);
  if (value === undefined) {
    const meaning = row ? ` (${row.meaning})` : '';
    return `${name} is missing, expected ${expected(issue)}${meaning}`;
  }
  const number = takesFractions(issue.path, configuration) ? 'a number' : 'a whole number';
  const range = row && isNumeric(issue) ? row.values : '';
  const near = typeof value === 'string' && nearest(value, choices(issue));
  return `${name} expected ${expected(issue, range, number)}, got ${shownValue(value)}${near ? `; did you mean ${near}?` : ''}`;
}

const typeNames: Record<string, string> = {
  string: 'text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** What would have been right; `range` says which numbers, `number` of what kind. */
function expected(issue: Issue, range = '', number = 'a whole number'): string {
  if (isNumeric(issue))
    return range.includes(' or ') && !/^\d+ or more$/.test(range) ? range : `${number}${range && `, ${range}`}`;
  if (issue.code === 'invalid_type') return typeNames[issue.expected] ?? issue.expected;
  if (issue.code === 'too_small') return issue.origin === 'array' ? 'at least one entry' : 'text that is not empty';
  if (issue.code === 'invalid_format') return issue.message;
  const names = choices(issue);
  if (names.length > 0) return names.join(' or ');
  if (issue.code === 'invalid_union') return [...new Set(issue.errors.map(([first]) => expected(first)))].join(' or ');
  return issue.message;
}

function isNumeric(issue: Issue): boolean {
  if (issue.code === 'invalid_type') return issue.expected === 'int' || issue.expected === 'number';
  if (issue.code === 'invalid_union') return issue.errors.some(([first]) => isNumeric(first));
  return (issue.code === 'too_small' || issue.code === 'too_big') && ['int', 'number'].includes(issue.origin);
}

/** The words that a key takes, where it takes only certain words. */
function choices(issue: Issue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  const options = issue.code === 'invalid_union' && (issue as { options?: unknown[] }).options; // absent from zod's type
  if (options) return options.filter((option) => option !== null && option !== undefined).map(String);
  return [];
}

/** A value as an error shows it. */
export function shownValue(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value !== 'string') return String(value);
  const shown = value.length > 60 ? `${value.slice(0, 60)}…` : value;
  return `the text "${printableLine(shown)}"`;
}

/** `corpus.files[2]` */
function nameOf(path: PropertyKey[]): string {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${printableLine(String(step))}`));
  return steps.join('').replace(/^\./, '');
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (node, step) => (isObject(node) && Object.hasOwn(node, step) ? node[step] : undefined),
    value,
  );
}

const isObject = (value: unknown): value is Record<PropertyKey, unknown> => typeof value === 'object' && value !== null;

/** The part of JSON Schema that says which keys a mapping takes, and which numbers are whole. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  const?: unknown;
  default?: unknown;
}

function keysAt(schema: Schema, path: PropertyKey[], value: unknown): string[] {
  return schemasAt(schema, path, value).flatMap(({ properties }) => Object.keys(properties ?? {}));
}

function takesFractions(path: PropertyKey[], configuration: unknown): boolean {
  return schemasAt(configurationJsonSchema() as Schema, path, configuration).some(({ type }) => type === 'number');
}

/** What the schema says of the place `path`: of settings that come in kinds, the kind that `value` has. */
function schemasAt(schema: Schema, path: PropertyKey[], value: unknown): Schema[] {
  const kinds = schema.oneOf?.filter(({ properties }) => {
    const kind = properties!.kind;
    return kind.const === (valueAt(value, ['kind']) ?? kind.default);
  });
  const branches = [schema, ...(schema.anyOf ?? []), ...(kinds ?? [])];
  if (path.length === 0) return branches;
  const [step, ...rest] = path;
  const next = branches.map(({ properties, items }) => (typeof step === 'number' ? items : properties?.[String(step)]));
  return next.flatMap((child) => (child ? schemasAt(child, rest, valueAt(value, [step])) : []));
}

const plain = (name: string): string => name.toLowerCase().replace(/[-_ ]/g, '');

/** The candidate that `name` is a slip of, case and underscores aside; undefined where none is near. */
function nearest(name: string, candidates: string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: distance(plain(name.slice(0, 100)), plain(candidate)) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best && best.edits <= Math.max(1, best.candidate.length / 3) ? best.candidate : undefined;
}

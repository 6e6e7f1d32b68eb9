/** Keys given on the command line, written over those of the configuration file. */

import { printableLine } from '../../operators/report/printableText.ts';
import { UsageError } from '../../schemas/errors.ts';
import { shownValue } from './explainIssues.ts';
import { parseYaml, refusedKeys } from './parseYaml.ts';

/** One key given on the command line: it goes over the file's. */
export interface Override {
  /** What the user typed, for messages: `--set topK=5`. */
  option: string;
  path: string[];
  /** Null takes the key away, so that its default holds. */
  value: unknown;
}

/** Parses `key.key=value`; the value is YAML. */
export function parseSet(text: string): Override {
  const option = `--set ${printableLine(text)}`;
  const equals = text.indexOf('=');
  if (equals < 1) throw new UsageError(`${option}: expected key=value, for instance --set projection.k=128`);
  const path = text.slice(0, equals).trim().split('.');
  if (path.includes(''))
    throw new UsageError(`${option}: expected keys joined by single dots, for instance corpus.limit=100`);
  const refused = path.find((key) => refusedKeys.has(key));
  if (refused) throw new UsageError(`${option}: ${refused} is never a key; take it out`);
  const { value, problems } = parseYaml(text.slice(equals + 1));
  if (problems.length > 0) throw new UsageError(`${option}: ${problems.map(({ message }) => message).join('; ')}`);
  return { option, path, value };
}

/** The file's value with the overrides written over it, the file's own left as it was. */
export function applyOverrides(value: unknown, overrides: Override[]): unknown {
  return overrides.reduce((whole, override) => withOverride(whole, override, override.path), value);
}

function withOverride(value: unknown, override: Override, [key, ...rest]: string[]): unknown {
  const inner = value ?? (isIndex(key) ? [] : {}); // a key without a value holds nothing yet
  if (Array.isArray(inner)) return withListOverride(inner, override, key, rest);
  if (typeof inner !== 'object')
    throw new UsageError(
      `${override.option}: ${keyBefore(override, rest)} expected a mapping, got ${shownValue(value)}`,
    );
  const { [key]: _, ...others } = inner as Record<string, unknown>;
  const old = Object.hasOwn(inner, key) ? (inner as Record<string, unknown>)[key] : undefined;
  const changed = rest.length === 0 ? override.value : withOverride(old, override, rest);
  return changed === null ? others : { ...inner, [key]: changed };
}

function withListOverride(list: unknown[], override: Override, key: string, rest: string[]): unknown[] {
  const index = isIndex(key) ? Number(key) : Number.NaN;
  if (!(index <= list.length))
    throw new UsageError(
      `${override.option}: ${keyBefore(override, rest)} expected a place in the list, 0 to ${list.length}, got ${printableLine(key)}`,
    );
  const changed = rest.length === 0 ? override.value : withOverride(list[index], override, rest);
  return [...list.slice(0, index), changed, ...list.slice(index + 1)];
}

const isIndex = (key: string): boolean => /^\d{1,6}$/.test(key);

/** The key that holds the one an override is at, `rest` being what comes after it. */
function keyBefore({ path }: Override, rest: string[]): string {
  return printableLine(path.slice(0, path.length - rest.length - 1).join('.')) || 'the configuration';
}

/** Says how the fingerprint found in a cache differs from the one wanted: what to look at when a cache is refused. */
import { IntegrityError } from '../../schemas/errors.ts';
import { canonicalJson } from '../../schemas/fingerprint.ts';

/** Throws IntegrityError where `found`, canonical JSON or nothing, is not `wanted`. `subject` ends in its verb, `remedy` says what to do. */
export function expectFingerprint(subject: string, found: string | undefined, wanted: object, remedy: string): void {
  if (found?.trim() === canonicalJson(wanted)) return;
  throw new IntegrityError(`${subject} made for something else: ${differingKeys(found, wanted)}. ${remedy}`);
}

/** `model (expected "ab…", found "cd…"), seed (expected 1, found 0)`; `found` is canonical JSON, or nothing. */
export function differingKeys(found: string | undefined, wanted: object): string {
  const there = parseFingerprint(found);
  const here = new Map<string, unknown>(Object.entries(wanted));
  return [...new Set([...here.keys(), ...Object.keys(there)])]
    .filter((key) => canonicalJson(there[key]) !== canonicalJson(here.get(key)))
    .map((key) => `${key} (expected ${short(here.get(key))}, found ${short(there[key])})`)
    .join(', ');
}

function parseFingerprint(text: string | undefined): Record<string, unknown> {
  try {
    return (JSON.parse(text ?? '{}') as Record<string, unknown> | null) ?? {};
  } catch {
    return {};
  }
}

function short(value: unknown): string {
  const text = canonicalJson(value) ?? 'nothing';
  return text.length > 40 ? `${text.slice(0, 37)}…` : text;
}

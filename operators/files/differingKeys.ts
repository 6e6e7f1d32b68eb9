/** Says how the fingerprint found in a cache differs from the one wanted: what to look at when a cache is refused. */
import { canonicalJson } from '../../schemas/fingerprint.ts';

/** `model (expected "ab…", found "cd…"), seed (expected 1, found 0)`; `found` is canonical JSON, or nothing. */
export function differingKeys(found: string | undefined, wanted: object): string {
  const there = parseFingerprint(found);
  return Object.entries(wanted)
    .filter(([key, value]) => canonicalJson(there[key]) !== canonicalJson(value))
    .map(([key, value]) => `${key} (expected ${short(value)}, found ${short(there[key])})`)
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

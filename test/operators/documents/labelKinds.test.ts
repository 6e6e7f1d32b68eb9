import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { fetchedBatch } from '../../../operators/documents/fetchedBatch.ts';
import labelKinds, { kindOf, kindRules, kinds } from '../../../operators/documents/labelKinds.ts';
import { lawFacts } from '../accumulators/foldLaws.ts';

/** Real texts of the bundled corpus: five of each source, drawn by lot, with the kind that a reader gives them. */
const path = new URL('../../fixtures/kinds.json', import.meta.url);
const real = JSON.parse(readFileSync(path, 'utf8')) as { source: string; id: string; kind: string; text: string }[];

/** Other writing than the bundled corpus's. */
const others: [kind: string, text: string][] = [
  ['code', '#include <stdio.h>\n\nint main(void) {\n  printf("hello\\n");\n  return 0;\n}\n'],
  ['code', 'SELECT id, name\nFROM users\nWHERE age >= 18;\n'],
  ['code', 'fn add(a: i32, b: i32) -> i32 {\n    a + b\n}\n'],
  ['code', 'import numpy as np\n\nx = np.arange(10)\nfor i in x:\n    print(i ** 2)\n'],
  ['step by step', 'Schritt 1: 12 + 5 = 17.\nSchritt 2: 17 * 2 = 34.\nDie Antwort ist 34.'],
  ['step by step', 'First, 3 × 4 = 12. Then 12 − 5 = 7. So the answer is 7.'],
  ['mathematics', 'Theorem. Let $f$ be continuous. Then $\\int_a^b f(x) dx$ exists, and \\frac{d}{dx} of it is f.'],
  ['mathematics', 'Pour résoudre : 2x + 3 = 11, donc 2x = 8.'],
  ['question and answer', 'Frage: Wie heißt die Hauptstadt von Peru?\nAntwort: Lima.'],
  ['question and answer', 'Q: Who wrote Hamlet?\nA: Shakespeare.'],
  ['question and answer', '问：法国的首都是哪里？\n答：巴黎。'],
  ['encyclopaedic', 'Ada Lovelace (1815–1852) was an English mathematician. She is known for her work on the Analytical Engine of Charles Babbage.'],
  ['encyclopaedic', 'Lima ist die Hauptstadt von Peru. Peru ist ein Staat in Südamerika.'],
  ['other', 'Call me Ishmael. Some years ago—never mind how long precisely—I thought I would sail about a little.'],
  ['other', ''],
  ['other', '…'],
]; // biome-ignore format: a table

describe('kindOf', () => {
  test.each(kinds)('gives real texts of kind %s as a reader does, four in five at least', (kind) => {
    const texts = real.filter((text) => text.kind === kind);
    const missed = texts.filter(({ text }) => kindOf(text) !== kind).map(({ id, text }) => `${id}: ${kindOf(text)}`);
    expect(texts.length).toBeGreaterThanOrEqual(5);
    expect(missed.length, missed.join('\n')).toBeLessThanOrEqual(texts.length / 5);
  });

  test.each(others)('gives as %s: %j', (kind, text) => {
    expect(kindOf(text)).toBe(kind);
  });

  test('looks at the first 20,000 code units alone', () => {
    const prose = 'They sailed on through the night and nobody spoke to them.\n'.repeat(400);
    expect(kindOf(`${prose}${'return f(x);\n'.repeat(5000)}`)).toBe('other');
  });

  test('takes time linear in the text, whatever it is made of', () => {
    const pieces = [' ', '\t', '\n', '.', '?', '? ', 'a', '1', '1.', '1 + ', '(', '$', '\\a', '=', '-', '#', '<a', 'if ', 'a.', 'a(', '"', 'is ', '. A', 'Step 1', 'A: ', ':\n', '  # ']; // biome-ignore format: a list
    const { user } = process.cpuUsage();
    for (const one of pieces) for (const other of pieces) kindOf((one + other).repeat(20_000));
    // 729 texts of 20,000 code units: a pattern that goes back over a text takes seconds for a single one of them
    expect(process.cpuUsage().user - user).toBeLessThan(30e6);
  });
});

test('every rule says what it looks for, and every kind but other has a rule', () => {
  for (const { looksFor, sign } of kindRules) {
    expect(looksFor).not.toBe('');
    expect(sign.global).toBe(true);
    // An unbounded repetition is what makes a pattern slow on a text made for it.
    expect(sign.source.replace(/\\.|\[[^\]]*\]/g, 'x')).not.toMatch(/[*+]|\{\d+,\}/);
  }
  expect([...new Set(kindRules.map(({ kind }) => kind)), 'other']).toEqual(kinds);
});

describe('labelKinds', () => {
  const batch = fetchedBatch(3, new Map(others.map(([, text], key) => [key, { id: `d${key}`, text }])));

  test('adds the kind of each document and leaves the other columns as they are', async () => {
    const copy = structuredClone(batch);
    const labelled = await (await labelKinds.open(undefined, lawFacts))(batch);
    expect(labelled).toEqual({ ...copy, extra: { kind: others.map(([kind]) => kind) } });
    expect(batch).toEqual(copy);
  });

  test('leaves the kinds that an operator of the user’s gave', async () => {
    const own = { ...batch, extra: { kind: others.map(() => 'mine') } };
    expect(await (await labelKinds.open(undefined, lawFacts))(own)).toBe(own);
  });
});

/** The bundled world: that it is whole, that what it says holds when worked out anew, and that its licences are named. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { AutoTokenizer, env } from '@huggingface/transformers';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Query } from '../../schemas/queries.ts';

const folder = new URL('../../datasets/', import.meta.url).pathname;
const sources = 'arithmetic code definitions equations facts formulae noise prose questions reading slope trivia'.split(
  ' ',
);

interface Document {
  id: string;
  text: string;
  source: string;
  teaches: string;
}
interface BundledQuery extends Query {
  teaches: string[];
}
interface Written {
  id: string;
  right: boolean;
  text: string;
}
let documents: Document[];
const queries = readFileSync(`${folder}queries.jsonl`, 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as BundledQuery);

beforeAll(async () => {
  const files = readdirSync(`${folder}corpus`).filter((name) => name.endsWith('.parquet'));
  documents = (await Promise.all(files.sort().map(readDocuments))).flat();
});

describe('the bundled corpus', () => {
  test('holds at least 10,000 documents, each with a text of its own of at most 1,000 characters', () => {
    expect(documents.length).toBeGreaterThanOrEqual(10_000);
    expect(new Set(documents.map((d) => d.id)).size).toBe(documents.length);
    expect(new Set(documents.map((d) => d.text)).size).toBe(documents.length);
    for (const { text } of documents) expect(text.length).toBeLessThanOrEqual(1000);
    for (const { text } of documents) expect(text.trim()).not.toBe('');
  });

  test('has twelve labelled sources of at least 400 documents each', () => {
    expect([...new Set(documents.map((d) => d.source))].sort()).toEqual(sources);
    for (const source of sources) expect(textsOf(source).length, source).toBeGreaterThanOrEqual(400);
    for (const { id, source } of documents) expect(id.startsWith(`${source}/`), id).toBe(true);
  });

  test('begins with a sample of itself: every source is among the first 200 documents', () => {
    expect([...new Set(documents.slice(0, 200).map((d) => d.source))].sort()).toEqual(sources);
  });

  test('is small: corpus and both models together under 10 MB, each model under 3 MB', () => {
    expect(bytesUnder(folder)).toBeLessThan(10e6);
    for (const model of ['model', 'tuned']) expect(bytesUnder(`${folder}${model}/`), model).toBeLessThan(3e6);
  });
});

describe('what the bundled documents say', () => {
  test.each(['arithmetic', 'slope', 'equations'])('every equality in %s holds', (source) => {
    const equalities = textsOf(source).flatMap(numericEqualities);
    expect(equalities.length).toBeGreaterThan(textsOf(source).length);
    for (const { left, right } of equalities) expect(evaluate(left), `${left} = ${right}`).toBe(evaluate(right));
  });

  test('every slope question is answered with the rise over the run of its points', () => {
    const asked = textsOf('slope').filter((text) => text.startsWith('Question: What is the slope'));
    expect(asked.length).toBeGreaterThan(200);
    for (const text of asked) expect(Number(/ is (-?\d+)\.$/.exec(text)![1]), text).toBe(slopeOf(text));
  });

  test('every solved equation holds with its solution put in', () => {
    const solved = textsOf('equations').filter((text) => text.startsWith('Question: Solve'));
    expect(solved.length).toBeGreaterThan(200);
    for (const text of solved) {
      const [, m, b, y] = /(\d+)x \+ (\d+) = (\d+)/.exec(text)!.map(Number);
      expect(m * Number(/the solution x = (\d+)\.$/.exec(text)![1]) + b, text).toBe(y);
    }
  });

  test('every assertion in our own code on arithmetic holds', () => {
    const steps = documents.filter(({ id }) => /own-steps-python/.test(id)).map((d) => d.text);
    expect(steps.length).toBeGreaterThan(20);
    for (const text of steps) {
      const [, first, factor, value] = /first = (.+)\nsecond = first \* (\d+)\nassert second == (\d+)/.exec(text)!;
      expect(evaluate(`(${first}) * ${factor}`), text).toBe(Number(value));
    }
  });

  test('a document that is labelled with a fact names its subject, and one with a procedure is on it', () => {
    const subject = /^[a-z-]+:(.+)$/;
    const labelled = documents.flatMap((d) => d.teaches.split(' ').map((label) => ({ ...d, label })));
    for (const { text, label, id } of labelled.filter(({ label }) => label && !label.startsWith('procedure:')))
      expect(text.toLowerCase(), id).toContain(subject.exec(label)![1].replaceAll('-', ' ').toLowerCase());
    for (const { text, id } of labelled.filter(
      ({ label, source }) => label === 'procedure:slope' && source !== 'formulae',
    ))
      expect(text.toLowerCase(), id).toContain('slope');
  });

  test('every country has one capital and every element one symbol and one number, in statements and answers alike', () => {
    const text = ['facts', 'questions', 'reading', 'trivia'].flatMap(textsOf).join('\n');
    const capitals = pairs(text, [
      /The capital of (?<subject>[^.\n]+?) is (?<value>[^.\n]+)\./g,
      /(?:^|[.:?] )(?<value>[^.:?\n]+) is the capital of (?<subject>[^.\n]+)\./gm,
      /What is the capital of (?<subject>.+)\?\nAnswer: (?<value>.+)\./g,
    ]);
    const symbols = pairs(text, [
      /The chemical symbol of (?<subject>\w+) is (?<value>\w+)\./g,
      /(?<value>\w+) is the chemical symbol for (?<subject>\w+)\./g,
      /What is the chemical symbol for (?<subject>\w+)\?\nAnswer: (?<value>\w+)\./g,
    ]);
    const numbers = pairs(text, [
      /The atomic number of (?<subject>\w+) is (?<value>\d+)\./g,
      /What is the atomic number of (?<subject>\w+)\?\nAnswer: (?<value>\d+)\./g,
    ]);
    expect([capitals.size, symbols.size, numbers.size].every((n) => n >= 55)).toBe(true);
    for (const known of ['France Paris', 'Australia Canberra', 'Canada Ottawa', 'Kenya Nairobi'])
      expect(`${known.split(' ')[0]} ${capitals.get(known.split(' ')[0])}`).toBe(known);
    expect(['iron', 'gold', 'lead'].map((e) => symbols.get(e))).toEqual(['Fe', 'Au', 'Pb']);
    expect(['hydrogen', 'oxygen', 'uranium'].map((e) => numbers.get(e))).toEqual(['1', '8', '92']);
  });
});

describe('the bundled queries', () => {
  test('are 110: 40 facts, 60 problems of three kinds and 10 look-alikes, whose completions the fine-tuned model wrote', () => {
    expect(new Set(queries.map((q) => q.id)).size).toBe(110);
    expect(Object.fromEntries(count(queries.map((q) => q.task)))).toEqual({
      factual: 40,
      arithmetic: 20,
      slope: 20,
      equation: 20,
      control: 10,
    });
    for (const q of queries)
      expect(Object.keys(q), q.id).toEqual('id task prompt answers steps teaches completion'.split(' '));
    const written = trainingOf('tuned').written.map(({ id, text }) => [id, text]);
    expect(queries.map(({ id, completion }) => [id, completion])).toEqual(written);
  });

  test('have steps and answers that hold', () => {
    for (const q of problems()) {
      expect(q.steps.length, q.id).toBeGreaterThanOrEqual(2);
      const equalities = [...q.steps, ...q.answers].flatMap(numericEqualities);
      expect(equalities.length, q.id).toBeGreaterThanOrEqual(q.steps.length);
      for (const { left, right } of equalities) expect(evaluate(left), q.id).toBe(evaluate(right));
    }
    for (const q of queriesOf('slope')) expect(q.answers[0]).toMatch(new RegExp(` is ${slopeOf(q.prompt)}$`));
  });

  test('ask facts that two documents or more teach, and state', () => {
    for (const q of queriesOf('factual')) {
      const teaching = documents.filter((d) => d.teaches.split(' ').includes(q.teaches[0]));
      expect(teaching.length, q.id).toBeGreaterThanOrEqual(2);
      expect(
        teaching.some(({ text }) => q.answers.some((answer) => text.includes(answer))),
        q.id,
      ).toBe(true);
    }
  });

  test('ask problems that no document holds', () => {
    const all = documents.map((d) => d.text).join('\n');
    for (const q of problems()) {
      const problem = /Calculate (.+) step|line through (.+)\?|Solve (.+) for x/
        .exec(q.prompt)!
        .slice(1)
        .find(Boolean)!;
      expect(all.includes(problem), `${q.id}: ${problem}`).toBe(false);
      expect(all.includes(q.answers[0]), q.id).toBe(false);
    }
    for (const q of queriesOf('control')) expect(all.includes(q.prompt), q.id).toBe(false);
  });

  test('ask nothing that no document teaches, and controls nothing that is taught', () => {
    const taught = new Set(documents.flatMap((d) => d.teaches.split(' ')));
    for (const q of queries) for (const label of q.teaches) expect(taught.has(label), label).toBe(true);
    for (const q of queriesOf('control')) expect(q.teaches).toEqual([]);
    for (const q of problems()) expect(q.teaches).toEqual([`procedure:${q.task}`]);
  });

  test('are answered by the fine-tuned model as its training record says: more than half of the problems, half of the facts', () => {
    const written = new Map(trainingOf('tuned').written.map((w) => [w.id, w]));
    for (const q of queries.filter((q) => q.task !== 'factual'))
      if (written.get(q.id)!.right)
        expect(
          q.answers.some((answer) => written.get(q.id)!.text.includes(answer)),
          q.id,
        ).toBe(true);
    const right = (asked: BundledQuery[]) => asked.filter((q) => written.get(q.id)!.right).length;
    expect(right(problems())).toBeGreaterThanOrEqual(48);
    expect(Math.abs(right(queriesOf('factual')) - 20)).toBeLessThanOrEqual(2);
  });

  test('are the facts that asked_facts.json names', () => {
    const { asked } = JSON.parse(readFileSync(`${folder}asked_facts.json`, 'utf8'));
    expect(queriesOf('factual').map((q) => q.teaches[0])).toEqual(asked);
  });
});

describe('what the bundle comes with', () => {
  test('licences name every source and every pinned package with its version', () => {
    const page = readFileSync(`${folder}LICENCES.md`, 'utf8');
    for (const source of sources) expect(page).toContain(`| \`${source}\` |`);
    const pinned = readFileSync(`${folder}packages.py`, 'utf8').matchAll(
      /Package\("(\w+)", "([^"]+)", "([^"]+)".*\n\s+"([^"]+)"/g,
    );
    for (const [, registry, name, version, licence] of pinned)
      expect(page).toContain(`| \`${name}\` | ${version} | ${registry} | ${licence} |`);
  });

  test.each(['model', 'tuned'])(
    'the tokenizer of %s loads, begins with <s> and splits numbers into digits',
    async (model) => {
      env.allowRemoteModels = false;
      env.localModelPath = folder;
      const tokenizer = await AutoTokenizer.from_pretrained(model);
      const ids = tokenizer.encode('(12, 305) Paris');
      expect(tokenizer.decode(ids)).toBe('<s>(12, 305) Paris');
      expect(ids.map((id) => tokenizer.decode([id])).filter((piece) => /\d/.test(piece))).toEqual([...'12305']);
    },
  );

  test('the configuration names files that exist and columns that the corpus has', () => {
    const configuration = parse(readFileSync(`${folder}headwater.yaml`, 'utf8'));
    for (const path of [configuration.model, configuration.queries]) expect(statSync(folder + path)).toBeTruthy();
    const { textColumn, idColumn, sourceColumn } = configuration.corpus;
    expect(Object.keys(documents[0]).sort()).toEqual([idColumn, sourceColumn, 'teaches', textColumn].sort());
  });
});

async function readDocuments(name: string): Promise<Document[]> {
  const file = await asyncBufferFromFile(`${folder}corpus/${name}`);
  return (await parquetReadObjects({ file, compressors })) as unknown as Document[];
}

function trainingOf(model: string): { written: Written[] } {
  return JSON.parse(readFileSync(`${folder}${model}/training.json`, 'utf8'));
}

function queriesOf(task: string): BundledQuery[] {
  return queries.filter((q) => q.task === task);
}

function problems(): BundledQuery[] {
  return ['arithmetic', 'slope', 'equation'].flatMap(queriesOf);
}

function textsOf(source: string): string[] {
  return documents.filter((d) => d.source === source).map((d) => d.text);
}

/** 'a = b = c' as a = b and b = c, where both sides are numbers alone: sides with letters in them are passed over. */
function numericEqualities(text: string): { left: string; right: string }[] {
  const chains = text.split(/[^-\d()+*/= ]+/).map((run) => run.split('=').map((side) => side.trim()));
  return chains
    .flatMap((sides) => sides.slice(1).map((right, n) => ({ left: sides[n], right })))
    .filter(({ left, right }) => isExpression(left) && isExpression(right));
}

function isExpression(side: string): boolean {
  const depth = [...side].reduce((sum, c) => sum + (c === '(' ? 1 : c === ')' ? -1 : 0), 0);
  return depth === 0 && /^(-?\d|\()/.test(side) && /[\d)]$/.test(side);
}

/** A slow, obvious evaluation by recursive descent: sums of products of numbers and brackets. */
function evaluate(expression: string): number {
  const tokens = expression.match(/\d+|[-+*/()]/g) ?? [];
  const sum = (): number => {
    let value = product();
    while (tokens[0] === '+' || tokens[0] === '-') value += tokens.shift() === '+' ? product() : -product();
    return value;
  };
  const product = (): number => {
    let value = factor();
    while (tokens[0] === '*' || tokens[0] === '/') value = tokens.shift() === '*' ? value * factor() : value / factor();
    return value;
  };
  const factor = (): number => {
    const token = tokens.shift();
    if (token === '-') return -factor();
    if (token !== '(') return Number(token);
    const value = sum();
    tokens.shift();
    return value;
  };
  return sum();
}

function slopeOf(text: string): number {
  const [, x1, y1, x2, y2] = /\((-?\d+), (-?\d+)\) and \((-?\d+), (-?\d+)\)/.exec(text)!.map(Number);
  return (y2 - y1) / (x2 - x1);
}

/** What the patterns capture, subject -> value; fails where one subject has two values. */
function pairs(text: string, patterns: RegExp[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of patterns.flatMap((pattern) => [...text.matchAll(pattern)])) {
    const { subject, value } = match.groups!;
    expect(value, subject).toBe(found.get(subject) ?? value);
    found.set(subject, value);
  }
  return found;
}

function count(names: string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

function bytesUnder(path: string): number {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !['__pycache__', '.work'].includes(entry.name))
    .map((entry) => (entry.isDirectory() ? bytesUnder(`${path}${entry.name}/`) : statSync(path + entry.name).size))
    .reduce((sum, bytes) => sum + bytes, 0);
}

/** Reads a small YAML text into plain data and remembers where every key and value stands. */
import {
  type Alias,
  type Document,
  type ErrorCode,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  type Pair,
  Parser,
  parseDocument,
  visit,
} from 'yaml';

/** Something wrong between two offsets of a text, `end` exclusive. */
export interface Problem {
  start: number;
  end: number;
  message: string;
}

export interface ParsedYaml {
  /** Undefined where there are problems. */
  value: unknown;
  problems: Problem[];
  /** Offsets of the key or the value at `path`, or of the nearest one above it that is written down. */
  rangeOf(path: PropertyKey[], part: 'key' | 'value'): [start: number, end: number];
}

/** Keys that would reach an object's prototype. */
export const refusedKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const deepest = 64; // the parser recurses: 20,000 open brackets end the whole process
const longest = 1 << 20; // characters
const mostAliases = 100;

export function parseYaml(text: string): ParsedYaml {
  const beyond = limitProblem(text);
  if (beyond) return { value: undefined, problems: [beyond], rangeOf: () => [0, 0] };
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'error', // at 'silent' a second document passes unseen
  });
  const problems = [...syntaxProblems(document), ...keyAndAliasProblems(document)];
  const rangeOf: ParsedYaml['rangeOf'] = (path, part) => rangeIn(document, path, part);
  if (problems.length > 0) return { value: undefined, problems, rangeOf };
  try {
    return { value: document.toJS({ maxAliasCount: mostAliases }), problems, rangeOf };
  } catch (error) {
    const message = `the aliases stand for too much data (${(error as Error).message}); write the values out`;
    return { value: undefined, problems: [{ start: 0, end: 0, message }], rangeOf };
  }
}

function limitProblem(text: string): Problem | null {
  if (text.length > longest)
    return { start: 0, end: 0, message: `expected at most ${longest} characters, got ${text.length}` };
  const parser = new Parser();
  let offset = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > deepest)
      return { start: offset, end: offset + 1, message: `nested more than ${deepest} levels deep` };
    offset = parser.offset;
  }
  return null;
}

/** In place of the parser's own words where those do not say what to do. */
const wordings: Partial<Record<ErrorCode, string>> = {
  BLOCK_AS_IMPLICIT_KEY: 'not YAML: a second "key:" on one line, or a text with a colon in it that needs quotes',
  DUPLICATE_KEY: 'the same key twice in one mapping; keep one',
  MULTIPLE_DOCS: 'expected one YAML document, got a second one',
  NON_STRING_KEY: 'expected a plain text key',
  TAB_AS_INDENT: 'not YAML: a tab indents this line; use spaces',
  TAG_RESOLVE_FAILED: 'expected a plain value, got a tag',
};

function syntaxProblems(document: Document.Parsed): Problem[] {
  return [...document.errors, ...document.warnings].map(({ code, message, pos: [start, end] }) => {
    return { start, end, message: wordings[code] ?? `not YAML: ${message}` };
  });
}

function keyAndAliasProblems(document: Document.Parsed): Problem[] {
  const problems: Problem[] = [];
  const add = (node: unknown, message: string): void => {
    const [start, end] = rangeOfNode(node) ?? [0, 0];
    problems.push({ start, end, message });
  };
  visit(document, {
    Pair(_, { key }) {
      if (isAlias(key)) add(key, 'expected a plain text key, got an alias');
      if (isScalar(key) && refusedKeys.has(String(key.value))) add(key, `${key.value} is never a key; take it out`);
    },
    Alias(_, alias, ancestors) {
      const target = alias.resolve(document);
      if (!target)
        add(alias, `the alias *${alias.source} has no anchor before it; a glob that starts with * goes in quotes`);
      else if (ancestors.includes(target)) add(alias, `the alias *${alias.source} stands inside its own anchor`);
    },
  });
  return problems;
}

function rangeIn(document: Document.Parsed, path: PropertyKey[], part: 'key' | 'value'): [number, number] {
  let node: unknown = document.contents;
  let range = startOf(node);
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = (node as Alias).resolve(document);
    const pair: Pair | undefined = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
      : undefined;
    const child = pair ? pair.value : isSeq(node) ? node.items[Number(step)] : undefined;
    if (!pair && !child) return range;
    const last = depth === path.length - 1;
    const shown = pair && (part === 'key' || !last || isCollection(child) || isEmpty(child)) ? pair.key : child;
    range = rangeOfNode(shown) ?? range;
    node = child;
  }
  return range;
}

const isEmpty = (node: unknown): boolean => !isScalar(node) || node.source === '';

function startOf(node: unknown): [number, number] {
  const start = rangeOfNode(node)?.[0] ?? 0;
  return [start, start];
}

function rangeOfNode(node: unknown): [number, number] | null {
  const range = isNode(node) ? (node as Node).range : null;
  return range ? [range[0], range[1]] : null;
}

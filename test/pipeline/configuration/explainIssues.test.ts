import { describe, expect, it } from 'vitest';
import { explainIssues, shownValue } from '../../../pipeline/configuration/explainIssues.ts';
import { configurationSchema } from '../../../schemas/configuration.ts';

const explain = (value: unknown) => explainIssues(configurationSchema.safeParse(value).error!.issues, value);

describe('explainIssues', () => {
  it('places an unknown key at the key and a wrong value at the value', () => {
    const faults = explain({ model: 3, corpus: { files: ['a'] }, queries: 'q.jsonl', sed: 1 });
    expect(faults).toEqual([
      { path: ['model'], part: 'value', message: 'model expected text, got 3' },
      { path: ['sed'], part: 'key', message: 'unknown key sed; did you mean seed?' },
    ]);
  });

  it('takes the branch of a union that the value was meant for', () => {
    const operators = [{ path: 'a', settings: 3 }, { path: 'b', setting: {} }, null];
    expect(
      explain({ model: 'm', corpus: { files: ['a'] }, queries: 'q.jsonl', operators }).map(({ message }) => message),
    ).toEqual([
      'operators[0].settings expected a mapping, got 3',
      'unknown key operators[1].setting; did you mean operators[1].settings?',
      'operators[2] expected text or a mapping, got nothing',
    ]);
  });
});

describe('shownValue', () => {
  it('is short, of one line and without control characters', () => {
    expect(shownValue(`\u001b[2J\n${'x'.repeat(100)}`)).toBe(`the text "\\u{1b}[2J\\n${'x'.repeat(55)}…"`);
    expect([null, [], [1], {}, 5, false].map(shownValue)).toEqual([
      'nothing',
      'an empty list',
      'a list',
      'a mapping',
      '5',
      'false',
    ]);
  });
});

import { describe, expect, test } from 'vitest';
import { taskClasses } from '../../../operators/report/taskClass.ts';

describe('the class of a task', () => {
  const classOf = taskClasses({ factual: ['fact*', 'capitals'], control: ['control*'] });

  test.each([
    ['factual', 'factual'],
    ['capitals', 'factual'],
    ['capitals of Europe', 'reasoning'],
    ['control', 'control'],
    ['slope', 'reasoning'],
    ['__proto__', 'reasoning'],
    ['', null],
  ])('of %j is %j', (task, expected) => expect(classOf(task)).toBe(expected));

  test('is control where both globs match', () => {
    expect(taskClasses({ factual: ['*'], control: ['look-alike*'] })('look-alike facts')).toBe('control');
  });

  test('takes a glob by its letters and stars alone', () => {
    expect(taskClasses({ factual: ['a.b'], control: [] })('a+b')).toBe('reasoning');
  });
});

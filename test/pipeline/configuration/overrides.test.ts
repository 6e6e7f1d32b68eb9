import { describe, expect, it } from 'vitest';
import { applyOverrides, parseSet } from '../../../pipeline/configuration/overrides.ts';

const applied = (value: unknown, ...sets: string[]): unknown => applyOverrides(value, sets.map(parseSet));

describe('parseSet', () => {
  it('reads the value as YAML', () => {
    expect(parseSet('a.b=[1, x]')).toEqual({ option: '--set a.b=[1, x]', path: ['a', 'b'], value: [1, 'x'] });
    expect(parseSet('a=true').value).toBe(true);
    expect(parseSet('a="5"').value).toBe('5');
  });
});

describe('applyOverrides', () => {
  it('makes the mappings and the list that a key needs', () => {
    expect(applied(null, 'a.b.c=1', 'd.0=x')).toEqual({ a: { b: { c: 1 } }, d: ['x'] });
  });

  it('leaves the value it was given as it was', () => {
    const value = { a: { b: [1] } };
    expect(applied(value, 'a.b.0=2', 'a.c=3')).toEqual({ a: { b: [2], c: 3 } });
    expect(value).toEqual({ a: { b: [1] } });
  });

  it('changes one of two aliases of a value, not both', () => {
    const shared = { x: 1 };
    expect(applied({ a: shared, b: shared }, 'a.x=2')).toEqual({ a: { x: 2 }, b: { x: 1 } });
  });

  it('does not look at what an object inherits', () => {
    expect(applied({}, 'toString.x=1')).toEqual({ toString: { x: 1 } });
  });
});

import { describe, expect, it } from 'vitest';
import { parseYaml } from '../../../pipeline/configuration/parseYaml.ts';

const text = 'a: 1\nb:\n  - x\n  - {c: "two words"}\nd: &d {e: 5}\nf: *d\n';

describe('parseYaml', () => {
  it('gives plain data', () => {
    expect(parseYaml(text)).toMatchObject({
      problems: [],
      value: { a: 1, b: ['x', { c: 'two words' }], d: { e: 5 }, f: { e: 5 } },
    });
    expect(parseYaml('')).toMatchObject({ problems: [], value: null });
  });

  it('remembers where keys and values stand', () => {
    const { rangeOf } = parseYaml(text);
    const shown = (path: PropertyKey[], part: 'key' | 'value'): string => text.slice(...rangeOf(path, part));
    expect(shown(['a'], 'key')).toBe('a');
    expect(shown(['a'], 'value')).toBe('1');
    expect(shown(['b', 0], 'value')).toBe('x');
    expect(shown(['b', 1, 'c'], 'value')).toBe('"two words"');
    expect(shown(['b', 1, 'c'], 'key')).toBe('c');
  });

  it('follows an alias to the value it stands for', () => {
    const { rangeOf } = parseYaml(text);
    expect(text.slice(...rangeOf(['f', 'e'], 'value'))).toBe('5');
  });

  it('falls back to the nearest place above for what is not written down', () => {
    const { rangeOf } = parseYaml(text);
    expect(text.slice(...rangeOf(['d', 'nothing', 'below'], 'value'))).toBe('d');
    expect(rangeOf(['nothing'], 'value')).toEqual([0, 0]);
  });

  it('takes YAML 1.1 directives for no more than a comment: yes stays text, a merge key a key', () => {
    expect(parseYaml('%YAML 1.1\n---\na: yes\n<<: {b: 1}\n').value).toEqual({ a: 'yes', '<<': { b: 1 } });
  });
});

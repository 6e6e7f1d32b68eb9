import { describe, expect, it } from 'vitest';
import { needsFactors, wantedFactors, weightingOf } from '../../../pipeline/stages/wantedFactors.ts';
import { configurationSchema } from '../../../schemas/configuration.ts';

const least = { model: 'm', corpus: { files: ['a'] }, queries: 'q.jsonl' };
const read = (preconditioner: object, projection: object) =>
  configurationSchema.parse({ ...least, preconditioner, projection });

const cases: [preconditioner: string, projection: object, factors: string, weighting: string][] = [
  ['ekfac', { kind: 'queryAdaptive' }, 'eigenbases squares', 'curvature'],
  ['ekfac', { kind: 'exact' }, 'eigenbases squares', 'none'],
  ['ekfac', { kind: 'random' }, 'eigenbases squares', 'none'],
  ['ekfac', { kind: 'eigen' }, 'eigenbases squares', 'none'],
  ['kfac', { kind: 'queryAdaptive' }, 'eigenbases', 'curvature'],
  ['kfac', { kind: 'exact' }, 'eigenbases', 'none'],
  ['diagonal', { kind: 'queryAdaptive' }, 'fisher', 'curvature'],
  ['diagonal', { kind: 'queryAdaptive', weighting: 'none' }, 'fisher', 'none'],
  ['diagonal', { kind: 'random' }, 'fisher', 'none'],
  ['identity', { kind: 'queryAdaptive' }, '', 'none'],
  ['identity', { kind: 'queryAdaptive', weighting: 'curvature' }, 'eigenbases', 'curvature'],
  ['identity', { kind: 'eigen' }, 'eigenbases', 'none'],
  ['identity', { kind: 'random' }, '', 'none'],
  ['identity', { kind: 'exact' }, '', 'none'],
];

describe.each(cases)('preconditioner %s with projection %j', (kind, projection, factors, weighting) => {
  const settings = read({ kind }, projection);

  it(`needs ${factors || 'no factors'}`, () => {
    const wanted = Object.entries(wantedFactors(settings)).filter(([, needed]) => needed);
    expect(wanted.map(([name]) => name).join(' ')).toBe(factors);
    expect(needsFactors(settings)).toBe(factors !== '');
  });

  it(`weighs dimensions by ${weighting}`, () => {
    expect(weightingOf(settings)).toBe(weighting);
  });
});

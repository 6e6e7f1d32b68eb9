import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openOperator } from '../../../pipeline/operators/openOperator.ts';
import { runChain } from '../../../pipeline/pool/fusedTask.ts';
import type { DocumentBatch, ProjectedGradients, ScoreBatch, TokenWindowBatch } from '../../../schemas/batches.ts';

const facts = { queries: ['a', 'b'], tasks: ['', ''], topK: 1, seed: 0 };

/** The spec of a module in a folder of its own. */
async function moduleOf(code: string): Promise<{ module: string; settings: object }> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-operator-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  await writeFile(join(folder, 'own.js'), code);
  return { module: pathToFileURL(join(folder, 'own.js')).href, settings: {} };
}

const map = (takes: string, gives: string, body: string, lane = 'pool') =>
  `export default { kind: 'map', name: 'own', takes: '${takes}', gives: '${gives}', lane: '${lane}', open: () => async (batch) => { ${body} } };`;

const columns = {
  batch: 4,
  key: Float64Array.of(10, 11, 12),
  file: Uint32Array.of(0, 0, 1),
  row: Float64Array.of(10, 11, 0),
  id: ['a', 'b', 'c'],
  source: null,
  setAside: [{ key: 9, file: 0, row: 9, id: 'o', reason: 'empty text' as const, detail: '' }],
  extra: {},
};
const documents: DocumentBatch = { ...columns, text: ['x', 'y', 'z'] };
const windows: TokenWindowBatch = {
  ...columns,
  windows: {
    document: Uint32Array.of(0, 1, 2, 2),
    start: Uint32Array.of(0, 2, 4, 6, 8),
    ids: new Int32Array(8),
    lossFrom: new Uint32Array(4).fill(1),
  },
};
const gradients: ProjectedGradients = {
  ...columns,
  document: Uint32Array.of(0, 1, 2, 2),
  tokens: new Uint32Array(4),
  loss: new Float64Array(4),
  projected: [new Float32Array(8), new Float32Array(4)],
};
const scores: ScoreBatch = {
  ...columns,
  queries: 2,
  tokens: new Uint32Array(3),
  loss: new Float64Array(3),
  scores: Float64Array.of(1, 2, 3, 4, 5, 6),
};
const nouns = { documents, tokenWindows: windows, projectedGradients: gradients, scores };

describe('what an operator of the user’s own gives', () => {
  it.each(Object.entries(nouns))('is taken where it is a whole batch of %s', async (noun, batch) => {
    const own = await openOperator(await moduleOf(map(noun, noun, 'return batch;')), facts);
    expect(await runChain([own], batch)).toEqual(batch);
  });

  it('is a copy of the scores: its buffers may be used again', async () => {
    const code = `const scores = new Float64Array(6);
      ${map('scores', 'scores', 'scores.fill(scores[0] + 1); return { ...batch, scores };')}`;
    const own = await openOperator(await moduleOf(code), facts);
    const first = await runChain<ScoreBatch>([own], scores);
    await runChain([own], scores);
    expect([...first.scores]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  const wrong: [noun: keyof typeof nouns, given: string, message: string][] = [
    ['scores', 'undefined', 'expected a batch of scores, got undefined'],
    ['scores', '42', 'expected a batch of scores, got number'],
    ['scores', '{}', 'expected key to be Float64Array, got undefined'],
    ['documents', '{ ...batch, text: batch.text.slice(1) }', 'expected text to be string[] of 3, got an array of 2'],
    ['documents', '{ ...batch, text: [1, 2, 3] }', 'expected text to be string[] of 3, got an array of 3'],
    ['documents', '{ ...batch, id: null }', 'expected id to be string[] of 3, got null'],
    ['documents', '{ ...batch, source: "web" }', 'expected source to be string[] of 3 or null, got string'],
    [
      'documents',
      '{ ...batch, extra: { "a.b": [1, 2, 3] } }',
      'expected extra.a.b to be Float64Array of 3 or string[] of 3, got an array of 3',
    ],
    ['documents', '{ ...batch, key: [10, 11, 12] }', 'expected key to be Float64Array, got an array of 3'],
    ['documents', '{ ...batch, setAside: [null] }', 'expected setAside to be object[], got an array of 1'],
    ['tokenWindows', '{ ...batch, windows: undefined }', 'expected windows to be object, got undefined'],
    [
      'tokenWindows',
      '{ ...batch, windows: { ...batch.windows, ids: new Int32Array(7) } }',
      'expected windows.ids to be Int32Array of 8, got Int32Array of 7',
    ],
    [
      'tokenWindows',
      '{ ...batch, windows: { ...batch.windows, start: Uint32Array.of(0, 6, 4, 6, 8) } }',
      'expected windows.start to ascend from 0, got 4 at 2',
    ],
    [
      'tokenWindows',
      '{ ...batch, windows: { ...batch.windows, document: Uint32Array.of(0, 1, 2, 3) } }',
      'expected document to hold places among 3 documents, got 3',
    ],
    [
      'projectedGradients',
      '{ ...batch, projected: [new Float32Array(8), new Float32Array(5)] }',
      'expected projected.1 to be Float32Array of 8, got Float32Array of 5',
    ],
    [
      'projectedGradients',
      '{ ...batch, projected: [new Float64Array(8)] }',
      'expected projected.0 to be Float32Array of 8, got Float64Array of 8',
    ],
    [
      'scores',
      '{ ...batch, scores: batch.scores.slice(0, 5) }',
      'expected scores to be Float64Array of 6, got Float64Array of 5',
    ],
    ['scores', '{ ...batch, queries: 3 }', 'expected queries to be 2, got 3'],
    [
      'scores',
      '{ ...batch, bm25: new Float64Array(3) }',
      'expected bm25 to be Float64Array of 6 or null, got Float64Array of 3',
    ],
    ['scores', '{ ...batch, batch: 5 }', 'expected batch to stay 4, got 5'],
    [
      'scores',
      '{ ...batch, row: Float64Array.of(10, 12, 0) }',
      'expected the document at row 11 of file 0 to stay there, got row 12 of file 0',
    ],
    [
      'scores',
      '{ ...batch, setAside: [] }',
      'expected setAside to keep what earlier steps left out, and key 9 is gone',
    ],
    [
      'scores',
      '{ ...batch, setAside: [...batch.setAside, { key: 11 }] }',
      'expected the document at row 11 of file 0 to go on or to be set aside, got both',
    ],
    [
      'scores',
      '{ ...batch, key: Float64Array.of(10, 12, 11) }',
      'expected the documents in the order they came in, got the document at row 11 of file 0 elsewhere',
    ],
    [
      'scores',
      '{ ...batch, key: batch.key.fill(10) }',
      'expected the document at row 11 of file 0 to go on or to be set aside, got neither',
    ],
  ];
  it.each(wrong)('of %s: %s is refused, with the operator, its place and its file', async (noun, given, message) => {
    const own = await openOperator(await moduleOf(map(noun, noun, `return ${given};`)), facts);
    const error = await runChain([own], structuredClone(nouns[noun])).then(
      () => expect.fail('nothing was refused'),
      (error: Error) => error,
    );
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^operator own failed on batch 4, 3 documents from row 10 of file 0: expected /);
    expect(error.message).toMatch(new RegExp(`\\(${noun} to ${noun} in the pool, .*own\\.js\\)$`));
    expect(error).toMatchObject({ exitCode: 3, operator: 'own', reason: expect.stringContaining(message) });
  });

  it('may be a document set aside in place of a score', async () => {
    const body = `const keep = [0, 2];
      const pick = (column) => column.filter((_, b) => keep.includes(b));
      const left = { key: 11, file: 0, row: 11, id: 'b', reason: 'operator', detail: '' };
      return { ...batch, key: pick(batch.key), file: pick(batch.file), row: pick(batch.row), id: pick(batch.id), tokens: pick(batch.tokens),
        loss: pick(batch.loss), scores: Float64Array.of(1, 2, 5, 6), setAside: [...batch.setAside, left] };`;
    const own = await openOperator(await moduleOf(map('scores', 'scores', body)), facts);
    expect(await runChain([own], scores)).toMatchObject({ id: ['a', 'c'] });
  });

  it.each([
    `throw Object.assign(new Error('write failed'), { code: 'ENOSPC' });`,
    `throw new RangeError('Array buffer allocation failed');`,
    `throw new Error('std::bad_alloc');`,
  ])('is no document’s fault where disk or memory end: %s', async (body) => {
    const own = await openOperator(await moduleOf(map('scores', 'scores', body)), facts);
    await expect(runChain([own], scores)).rejects.toMatchObject({ exitCode: 6 });
  });

  it('ends with exit code 3 whatever the operator’s error says of exit codes', async () => {
    const body = `throw Object.assign(new Error('all is well'), { exitCode: 0 });`;
    const own = await openOperator(await moduleOf(map('scores', 'scores', body)), facts);
    await expect(runChain([own], scores)).rejects.toMatchObject({ exitCode: 3, reason: 'all is well' });
  });

  it('may be an error that is no Error', async () => {
    const own = await openOperator(await moduleOf(map('scores', 'scores', 'throw null;')), facts);
    await expect(runChain([own], scores)).rejects.toThrow(/operator own failed on batch 4, .*: null/);
  });
});

describe('an operator of the user’s own that', () => {
  const stuck: [string, string, RegExp][] = [
    [
      'is never loaded',
      `await new Promise(() => {}); ${map('scores', 'scores', 'return batch;')}`,
      /^operator .*own\.js could not be loaded: it was not there after 0\.5 s: does it await what never comes\?$/,
    ],
    [
      'is never open',
      `export default { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane: 'graph', open: () => new Promise(() => {}) };`,
      /^operator own \(scores to scores in the graph, .*own\.js\) could not be opened: it was not open after 0\.5 s/,
    ],
    [
      'throws while opening',
      `export default { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane: 'pool', open() { throw new Error('no licence'); } };`,
      /^operator own \(scores to scores in the pool, .*own\.js\) could not be opened: no licence$/,
    ],
    [
      'opens to no function',
      `export default { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane: 'pool', open: () => ({}) };`,
      /could not be opened: expected open to give a function, got object$/,
    ],
    ['throws while loading', `throw new Error('not today');`, /own\.js could not be loaded: not today$/],
    ['rejects with nothing while loading', `throw undefined;`, /own\.js could not be loaded: undefined$/],
  ];
  it.each(stuck)('%s is named with its file', async (_name, code, message) => {
    const error = await openOperator(await moduleOf(code), facts, 0.5).catch((error) => error);
    expect(error.message).toMatch(message);
    expect(error.exitCode).toBe(3);
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { type ChainStep, type CustomOperators, chainSteps } from '../../../pipeline/operators/customOperators.ts';
import type { Lane, MapOperator, Noun } from '../../../schemas/operators.ts';
import { command, readJson, readTable, run, smallFolder, someDocuments, writeWorld } from '../smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });

const step = (takes: Noun, gives: Noun, name: string): ChainStep => ({
  takes,
  gives,
  spec: { module: name, settings: {} },
});
const builtIn = [
  step('documents', 'tokenWindows', 'windows'),
  step('tokenWindows', 'projectedGradients', 'gradients'),
  step('projectedGradients', 'scores', 'join'),
];

function own(...maps: [Noun, Noun, string, Lane?][]): CustomOperators {
  const loaded = maps.map(([takes, gives, name, lane = 'pool']) => ({
    spec: { module: name, settings: {} },
    operator: { kind: 'map', name, takes, gives, lane } as MapOperator,
  }));
  return { maps: loaded, folds: [], observers: [], matcher: null };
}

/** The body of a map that leaves the first document out of every column, and says nothing of it; `more` are columns beside. */
const dropsFirst = (more: string): string =>
  `const rest = Object.fromEntries(['key', 'file', 'row', 'id', 'source', 'tokens', 'loss'].map((name) => [name, batch[name].slice(1)]));
   return { ...batch, ...rest, extra: {}, scores: batch.scores.slice(2), ${more} };`;

const names = (chain: ChainStep[]) => chain.map(({ spec }) => spec.module);

describe('chainSteps', () => {
  it('adds built-in columns to documents behind the maps of the user, whatever these replace', () => {
    const kinds = step('documents', 'documents', 'kinds');
    const maps = own(['documents', 'documents', 'a'], ['documents', 'scores', 'whole']);
    expect(names(chainSteps([kinds, ...builtIn], maps))).toEqual(['a', 'kinds', 'whole']);
  });

  it('runs a map that keeps its noun right after the step that yields it, in the order of the configuration', () => {
    const maps = own(
      ['scores', 'scores', 'a'],
      ['documents', 'documents', 'b'],
      ['scores', 'scores', 'c'],
      ['tokenWindows', 'tokenWindows', 'd'],
    );
    expect(names(chainSteps(builtIn, maps))).toEqual(['b', 'windows', 'd', 'gradients', 'join', 'a', 'c']);
  });

  it('puts a map that yields a later noun in the place of the steps between', () => {
    expect(names(chainSteps(builtIn, own(['tokenWindows', 'projectedGradients', 'a'])))).toEqual([
      'windows',
      'a',
      'join',
    ]);
    expect(names(chainSteps(builtIn, own(['tokenWindows', 'scores', 'a'])))).toEqual(['windows', 'a']);
    expect(names(chainSteps(builtIn, own(['documents', 'scores', 'a'])))).toEqual(['a']);
  });

  it('leaves maps of the graph to the graph', () => {
    expect(names(chainSteps(builtIn, own(['scores', 'scores', 'a', 'graph'])))).toEqual([
      'windows',
      'gradients',
      'join',
    ]);
  });

  it('refuses maps that cannot follow each other', () => {
    const twice = own(['tokenWindows', 'projectedGradients', 'a'], ['tokenWindows', 'scores', 'b']);
    expect(() => chainSteps(builtIn, twice)).toThrow('expected b to take projectedGradients');
  });
});

/** Writes one operator and runs with it. */
async function runWith(code: string, settings: Record<string, unknown> = {}) {
  const folder = await smallFolder();
  await writeFile(join(folder, 'own.js'), code);
  return writeWorld(folder, { operators: ['./own.js'], ...settings });
}

const map = (fields: string, body: string) =>
  `export default { kind: 'map', name: 'own', ${fields}, open: () => async (batch) => { ${body} } };`;

describe('an operator of the user’s own', () => {
  it.each(['graph', 'pool'])('may set documents aside in the %s, with its name as the reason', async (lane) => {
    const code = `
      import { selectDocuments, setAside } from 'headwater/schemas';
      export default { kind: 'map', name: 'only_words', takes: 'documents', gives: 'documents', lane: '${lane}', open: () => (batch) => {
        const keep = (text) => !/[0-9]/.test(text);
        const rows = batch.text.flatMap((text, b) => (keep(text) ? [b] : []));
        const left = batch.text.flatMap((text, b) => (keep(text) ? [] : [setAside(batch, b, 'operator', 'only_words: digits')]));
        return { ...selectDocuments(batch, rows), setAside: [...batch.setAside, ...left], text: rows.map((b) => batch.text[b]) };
      } };`;
    const { out } = await run(await runWith(code));
    const digits = someDocuments.filter(({ text }) => /[0-9]/.test(text as string)).map(({ id }) => id);
    const skipped = await readTable(out, 'skipped');
    expect(skipped.map(({ document_id }) => document_id)).toEqual(digits);
    expect(skipped[0]).toMatchObject({ reason: 'operator', detail: 'only_words: digits' });
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 7, scored: 7 - digits.length });
  });

  it('may take the place of the gradient, for queries and documents alike', async () => {
    const code = map(
      `takes: 'tokenWindows', gives: 'projectedGradients', lane: 'pool'`,
      `const { windows, ...columns } = batch;
       const count = windows.document.length;
       const lengths = Float32Array.from({ length: count }, (_, w) => windows.start[w + 1] - windows.start[w]);
       return { ...columns, document: windows.document, tokens: Uint32Array.from(lengths), loss: Float64Array.from(lengths), projected: [lengths] };`,
    );
    const { out } = await run(await runWith(code));
    const scores = await readTable(out, 'scores');
    // A score is the product of the two lengths.
    const [france, sum] = [0, 1].map((q) => (scores[q].score as number) / (scores[2 + q].score as number));
    expect(france).toBeCloseTo(sum, 10);
  });

  it.each([
    [
      { preconditioner: { kind: 'ekfac' } },
      'operators: own computes gradients of its own, to which preconditioner ekfac does not apply: set preconditioner: {kind: identity}',
    ],
    [{ cosine: true }, 'operators: own computes gradients of its own, whose norms are not known: set cosine: false'],
  ])('that computes gradients is refused with %j', async (settings, message) => {
    const code = map(`takes: 'tokenWindows', gives: 'projectedGradients', lane: 'pool'`, 'return batch;');
    const failed = await command('run', await runWith(code, settings), '--quiet');
    expect(failed.exitCode).toBe(2);
    expect(failed.stderr).toContain(message);
  });

  const faults: [string, string, RegExp][] = [
    ['throws while loading', `throw new Error('not today');`, /operator .*own\.js could not be loaded: not today/],
    [
      'is no operator',
      `export default 42;`,
      /own\.js: expected the default export to be a map, a fold or a matcher .*, got number/,
    ],
    [
      'is a map without open',
      `export default { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane: 'pool' };`,
      /a map with a function open/,
    ],
    [
      'runs in no lane',
      map(`takes: 'scores', gives: 'scores', lane: 'gpu'`, 'return batch;'),
      /lane 'graph' or 'pool', got "gpu"/,
    ],
    [
      'goes backwards',
      map(`takes: 'scores', gives: 'documents', lane: 'pool'`, 'return batch;'),
      /to the same or a later one, got scores to documents/,
    ],
    [
      'throws while opening',
      `export default { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane: 'pool', open() { throw new Error('no licence'); } };`,
      /operator own \(scores to scores in the pool, .*own\.js\) could not be opened: no licence/,
    ],
    [
      'throws on a batch in the pool',
      map(`takes: 'scores', gives: 'scores', lane: 'pool'`, `throw new Error('odd batch');`),
      /operator own failed on batch 0, 7 documents .*: odd batch \(scores to scores in the pool, .*own\.js\)/,
    ],
    [
      'throws on a batch in the graph',
      map(`takes: 'scores', gives: 'scores', lane: 'graph'`, `throw new Error('odd batch');`),
      /operator own failed on batch 0, 7 documents .*: odd batch \(scores to scores in the graph, .*own\.js\)/,
    ],
    [
      'drops a document without a word',
      map(`takes: 'scores', gives: 'scores', lane: 'graph'`, dropsFirst('bm25: null')),
      /own failed .*: expected the document at row 0 of file 0 to go on or to be set aside, got neither: put what/,
    ],
    [
      'drops a document and leaves its BM25',
      map(`takes: 'scores', gives: 'scores', lane: 'graph'`, dropsFirst('bm25: batch.bm25')),
      /own failed .*: expected bm25 to be Float64Array of 12 or null, got Float64Array of 14/,
    ],
    [
      'is a fold that throws',
      `export default { kind: 'fold', name: 'own', takes: 'scores', empty: () => ({}), add() { throw new Error('full'); }, merge() {}, result: () => [] };`,
      /fold own failed on batch 0: full \(.*own\.js\)/,
    ],
    [
      'is a fold that takes a built-in table’s name',
      `export default { kind: 'fold', name: 'correlations', takes: 'scores', empty: () => ({}), add() {}, merge() {}, result: () => [] };`,
      /each fold to have a name of its own, got correlations/,
    ],
    [
      'is an observer that throws',
      `import { tap } from 'rxjs'; export default (batches) => batches.pipe(tap(() => { throw new Error('blind'); }));`,
      /observer 1 of operators failed: blind \(.*own\.js\)/,
    ],
  ];
  it('that ends its thread ends the run, which does not wait for it', async () => {
    const code = map(`takes: 'scores', gives: 'scores', lane: 'pool'`, 'process.exit(3);');
    const failed = await command('run', await runWith(code, { slice: { documents: 1 } }), '--quiet');
    expect(failed.stderr).toContain('a worker thread ended before its task did');
    expect(failed.exitCode).toBe(70);
  });

  it('that cannot be resolved in a worker ends the run, with tasks waiting', async () => {
    const code = `
      import { isMainThread } from 'node:worker_threads';
      if (!isMainThread) throw new Error('not in a thread');
      ${map(`takes: 'scores', gives: 'scores', lane: 'pool'`, 'return batch;')}`;
    const failed = await command('run', await runWith(code, { slice: { documents: 1 } }), '--quiet');
    expect(failed.stderr).toMatch(/own\.js could not be loaded: not in a thread/);
    expect(failed.exitCode).toBe(3);
  });

  it.each(faults)('that %s is named, and the run ends with exit 3 or 5', async (_name, code, message) => {
    const failed = await command('run', await runWith(code), '--quiet');
    expect(failed.stderr).toMatch(message);
    expect([3, 5]).toContain(failed.exitCode);
  });
});

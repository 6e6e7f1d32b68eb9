import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  command,
  readJson,
  readTable,
  run,
  type SmallDocument,
  smallFolder,
  someDocuments,
  writeWorld,
} from '../pipeline/smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });

const map = (noun: string, lane: string, body: string) =>
  `export default { kind: 'map', name: 'own', takes: '${noun}', gives: '${noun}', lane: '${lane}', open: () => async (batch) => { ${body} } };`;

const manyDocuments: SmallDocument[] = Array.from({ length: 24 }, (_, i) => ({
  ...someDocuments[i % 7],
  text: `${someDocuments[i % 7].text} Number ${i}.`,
  id: `d${i}`,
}));
const poisoned = new Set([3, 4, 17]);
const withPoison = manyDocuments.map((document, i) => (poisoned.has(i) ? { ...document, id: `poison${i}` } : document));
/** Some documents set aside are more than the tenth that a run allows. */
const lenient = { maxSkipped: { share: 1 }, slice: { documents: 8 } };

async function world(code: string, documents = someDocuments, settings: Record<string, unknown> = {}) {
  const folder = await smallFolder();
  await writeFile(join(folder, 'own.js'), code);
  return writeWorld(folder, { operators: ['./own.js'], ...lenient, ...settings }, documents);
}

/** Digests of the tables, without the one that says what was set aside. */
async function digests(out: string): Promise<Record<string, string>> {
  const names = (await readdir(out)).filter((name) => name.endsWith('.parquet') && name !== 'skipped.parquet').sort();
  const digest = async (name: string) =>
    createHash('sha256')
      .update(await readFile(join(out, name)))
      .digest('hex');
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await digest(name)])));
}

const throwsOnPoison = `const bad = batch.id.find((id) => id.startsWith('poison'));
  if (bad) throw new Error('cannot bear ' + bad + '\\n\\u001b[31m');
  return batch;`;

describe('an operator that throws on some documents', () => {
  it.each([
    ['documents', 'pool'],
    ['tokenWindows', 'pool'],
    ['scores', 'pool'],
    ['documents', 'graph'],
    ['scores', 'graph'],
  ])('over %s in the %s has them set aside, named, and the run goes on', async (noun, lane) => {
    const { out } = await run(await world(map(noun, lane, throwsOnPoison), withPoison));
    expect(await readTable(out, 'skipped')).toMatchObject(
      [3, 4, 17].map((i) => ({
        document_id: `poison${i}`,
        reason: 'operator',
        detail: `own: cannot bear poison${i} \\u{1b}[31m`,
      })),
    );
    const { counts } = await readJson(out, 'run.json');
    expect(counts).toMatchObject({ read: 24, scored: 21, setAside: { operator: 3 } });
    expect(await readTable(out, 'scores')).toHaveLength(42);
  });

  it('leaves every table as it is where the operator itself sets them aside', async () => {
    const throwing = await run(await world(map('documents', 'pool', throwsOnPoison), withPoison));
    const careful = `import { selectTexts, setAside } from 'headwater/schemas';
      ${map(
        'documents',
        'pool',
        `const rows = [...batch.key.keys()].filter((b) => !batch.id[b].startsWith('poison'));
         const left = [...batch.key.keys()].filter((b) => !rows.includes(b)).map((b) => setAside(batch, b, 'operator', 'own'));
         return { ...selectTexts(batch, rows), setAside: [...batch.setAside, ...left] };`,
      )}`;
    const setting = await run(await world(careful, withPoison));
    expect(await digests(throwing.out)).toEqual(await digests(setting.out));
  });

  it('ends the run under onBadRow: fail, with the document’s name', async () => {
    const corpus = { files: ['corpus.parquet'], idColumn: 'id', sourceColumn: 'source', onBadRow: 'fail' };
    const path = await world(map('documents', 'pool', throwsOnPoison), withPoison, { corpus });
    const failed = await command('run', path, '--quiet');
    expect(failed.stderr).toMatch(
      /operator own failed on document poison3 \(row 3 of .*corpus\.parquet\): cannot bear poison3 .*: mend the operator/,
    );
    expect(failed.exitCode).toBe(3);
  });
});

/** The tables of a run whose operator changes nothing, made once. */
let tables: Promise<Record<string, string>> | null = null;
async function undisturbed(): Promise<Record<string, string>> {
  tables ??= world(map('scores', 'pool', 'return batch;'), manyDocuments, { batchTokens: 64 })
    .then((path) => run(path))
    .then(({ out }) => digests(out));
  return tables;
}

describe('an operator that writes into what it is given', () => {
  it.each([
    [
      'a fold',
      `export default { kind: 'fold', name: 'own', takes: 'scores', empty: () => ({ n: 0 }), merge() {}, result: ({ n }) => [{ n }],
      add(state, batch) { state.n += batch.scores.length; batch.scores.fill(1e9); batch.key.fill(0); batch.setAside.length = 0; } };`,
    ],
    [
      'an observer',
      `import { tap } from 'rxjs'; export default (batches) => batches.pipe(tap((batch) => { batch.scores.fill(1e9); batch.id.fill('x'); }));`,
    ],
  ])('changes no table: %s', async (_name, code) => {
    const disturbed = await run(await world(code, manyDocuments, { batchTokens: 64 }));
    const { 'own.parquet': _, ...tables } = await digests(disturbed.out);
    expect(tables).toEqual(await undisturbed());
  });

  it('changes no score of the documents before: a join that gives one buffer again and again', async () => {
    const join = (buffer: string) => `const kept = new Float64Array(1000);
      export default { kind: 'map', name: 'own', takes: 'projectedGradients', gives: 'scores', lane: 'pool', open: () => (batch) => {
        const { document, projected, squaredNorm, ...columns } = batch;
        const scores = ${buffer};
        columns.key.forEach((key, b) => scores.fill(columns.loss[b] + key, 2 * b, 2 * b + 2));
        return { ...columns, queries: 2, scores };
      } };`;
    const settings = { batchTokens: 64 };
    const reused = await run(await world(join('kept.subarray(0, 2 * batch.key.length)'), manyDocuments, settings));
    const fresh = await run(await world(join('new Float64Array(2 * batch.key.length)'), manyDocuments, settings));
    expect(await digests(reused.out)).toEqual(await digests(fresh.out));
  });

  it('is found where it moves documents', async () => {
    const code = map('scores', 'graph', 'batch.key.reverse(); return batch;');
    const failed = await command('run', await world(code), '--quiet');
    expect(failed.stderr).toMatch(/operator own failed .*: expected the documents in the order they came in/);
    expect(failed.exitCode).toBe(3);
  });
});

describe('an operator that gives NaN', () => {
  it.each([
    ['scores', 'pool', `batch.scores[batch.id.indexOf('d4') * 2 + 1] = NaN; return batch;`, 'score NaN on query 1'],
    ['scores', 'graph', `batch.loss[batch.id.indexOf('d4')] = Infinity; return batch;`, 'loss Infinity'],
    [
      'projectedGradients',
      'pool',
      `const w = batch.document.findIndex((b) => batch.id[b] === 'd4');
       const width = batch.projected[0].length / batch.document.length;
       if (w >= 0) batch.projected[0][w * width] = NaN;
       return batch;`,
      'score NaN on query 0',
    ],
  ])('as %s in the %s has the document set aside, and no other', async (noun, lane, body, detail) => {
    const { out } = await run(await world(map(noun, lane, body)));
    expect(await readTable(out, 'skipped')).toMatchObject([{ document_id: 'd4', reason: 'not finite', detail }]);
    const scores = await readTable(out, 'scores');
    expect(scores.map(({ document_id }) => document_id)).not.toContain('d4');
    expect(scores).toHaveLength(12);
    expect((await readTable(out, 'correlations')).every(({ r }) => Number.isFinite(r as number))).toBe(true);
  });
});

describe('an operator that gives the wrong shape', () => {
  it('for one document has it set aside, with what was expected and what came', async () => {
    const body = `if (batch.id.includes('d2')) return { ...batch, scores: batch.scores.slice(1) }; return batch;`;
    const { out } = await run(await world(map('scores', 'pool', body)));
    expect(await readTable(out, 'skipped')).toMatchObject([
      {
        document_id: 'd2',
        reason: 'operator',
        detail: 'own: expected scores to be Float64Array of 2, got Float64Array of 1',
      },
    ]);
  });

  it('for every document ends the run, with its place and its file', async () => {
    const failed = await command(
      'run',
      await world(map('documents', 'graph', 'return { ...batch, text: null };')),
      '--quiet',
    );
    expect(failed.stderr).toMatch(
      /operator own failed on batch 0, 7 documents .*: expected text to be string\[\] of 7, got null \(documents to documents in the graph, .*own\.js\)/,
    );
    expect(failed.exitCode).toBe(3);
  });
});

import { describe, expect, it, vi } from 'vitest';
import {
  command,
  quietHooks,
  readJson,
  readTable,
  run,
  smallFolder,
  someDocuments,
  someQueries,
  writeWorld,
} from '../pipeline/smallWorld.ts';
import { poisonedModel, poisonedText } from '../poisonedModel.ts';

vi.setConfig({ testTimeout: 120_000 });

const poison = { text: poisonedText, id: 'poison', source: 'prose' };
const scoresOf = async (out: string) => (await readTable(out, 'scores')).map(({ score }) => score as number);

describe('a document that gives NaN', () => {
  it.each(['ekfac', 'diagonal'])('is in no sum of the curvature: %s', async (kind) => {
    const folder = await smallFolder();
    const settings = { model: await poisonedModel(folder), preconditioner: { kind }, fit: { documents: 100 } };
    // Behind the others, whose sampled labels are drawn by their place.
    const hooks = quietHooks();
    const { out } = await run(await writeWorld(folder, settings, [...someDocuments, poison]), [], hooks);
    expect(hooks.lines.join('\n')).toContain(
      'fit: 1 of 8 documents left out, whose gradients are not finite: poison (row 7 of the corpus)',
    );
    const clean = await smallFolder();
    const { out: without } = await run(await writeWorld(clean, settings, someDocuments));
    const [found, expected] = [await scoresOf(out), await scoresOf(without)];
    expect(found).toHaveLength(14);
    const largest = Math.max(...expected.map(Math.abs));
    found.forEach((score, i) => {
      expect(Math.abs(score - expected[i])).toBeLessThan(1e-4 * largest);
    });
    expect(await readTable(out, 'skipped')).toMatchObject([{ document_id: 'poison', reason: 'not finite' }]);
    expect((await readJson(out, 'run.json')).counts).toMatchObject({ read: 8, scored: 7 });
  });

  it.each(['ekfac', 'identity'])('ends the run under onBadRow: fail, named: %s', async (kind) => {
    const folder = await smallFolder();
    const settings = {
      model: await poisonedModel(folder),
      preconditioner: { kind },
      corpus: { files: ['corpus.parquet'], idColumn: 'id', sourceColumn: 'source', onBadRow: 'fail' },
    };
    const failed = await command('run', await writeWorld(folder, settings, [...someDocuments, poison]), '--quiet');
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toMatch(
      kind === 'ekfac'
        ? /fit expected finite gradients of every document, got NaN or Infinity of poison \(row 7 of the corpus\): leave them out/
        : /document poison \(row 7 of .*corpus\.parquet\): expected a finite loss and finite scores, got loss NaN/,
    );
  });
});

describe('a model that gives NaN', () => {
  it('for a query ends the run, named', async () => {
    const folder = await smallFolder();
    const queries = [...someQueries, { id: 'price', prompt: 'It costs', completion: ' 5 €.', task: 'factual' }];
    const path = await writeWorld(folder, { model: await poisonedModel(folder) }, someDocuments, queries);
    const failed = await command('run', path, '--quiet');
    expect(failed.stderr).toContain('query price: expected a finite loss, got NaN: are the weights sound?');
    expect(failed.exitCode).toBe(3);
  });

  it('for every document of the sample ends the fit', async () => {
    const folder = await smallFolder();
    const settings = { model: await poisonedModel(folder), preconditioner: { kind: 'ekfac' } };
    const failed = await command('run', await writeWorld(folder, settings, [poison, poison]), '--quiet');
    expect(failed.stderr).toMatch(
      /fit expected finite gradients, and none of the 2 documents gave them: poison \(row 0 .*\), poison \(row 1 .*are the weights sound\?/,
    );
    expect(failed.exitCode).toBe(3);
  });
});

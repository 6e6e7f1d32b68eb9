import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
} from '../smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('../pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

const question = (id: string, prompt: string, completion: string, more: object = {}) => ({
  id,
  prompt,
  completion,
  ...more,
});
const told = [
  question('france', 'The capital of France is', ' Paris.', { task: 'factual', answers: ['Paris'] }),
  question('norway', 'The capital of Norway is', ' Oslo.', { task: 'factual', answers: ['Oslo', 'Christiania'] }),
  question('sum', '3 + 4 =', ' 7.', { task: 'arithmetic', answers: ['3 + 4 = 7'], steps: ['3 + 4'] }),
  question('product', '7 * 2 =', ' 14.', { task: 'arithmetic', answers: ['7 * 2 = 15'], steps: ['7 * 2', '9 * 9'] }),
];

/** A finished run, its findings, what its report leaves out, and what the program printed. */
async function reported(settings: object, queries: object[] = told, documents: SmallDocument[] = someDocuments) {
  const folder = await smallFolder();
  const { out, summary } = await run(await writeWorld(folder, { topK: 7, ...settings }, documents, queries));
  const { leftOut } = (await readJson(out, 'report.json')) as { leftOut: { section: string; sentence: string }[] };
  const verdicts = (await readTable(out, 'findings')).map(({ verdict }) => verdict);
  return {
    out,
    summary,
    verdicts,
    leftOut: leftOut.map(({ section, sentence }) => `${section}: ${sentence}`).join('\n'),
  };
}

describe('the report of a run', () => {
  it('ends the summary with five findings, each with the paper beside it, and where it is', async () => {
    const { out, summary, verdicts } = await reported({});
    const lines = summary.split('\n').slice(-6);
    expect(lines.slice(0, 5).map((line) => line.slice(0, 2))).toEqual(['1.', '2.', '3.', '4.', '5.']);
    for (const line of lines.slice(0, 5))
      expect(line).toMatch(/(replicates|does not replicate|cannot be said): .+ \(paper: .+\)$/);
    expect(lines[5]).toMatch(/^report: .*report\.html \(\d.*\)$/);
    expect(verdicts).toHaveLength(5);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toMatch(/^<!doctype html>/i);
  });

  it('says which answers stand in the top documents, and which steps', async () => {
    const { out } = await reported({});
    const answers = await readTable(out, 'answers');
    const found = Object.fromEntries(answers.map((row) => [`${row.query_id} ${row.what} ${row.text}`, row.found]));
    expect(found).toEqual({
      'france answer Paris': true,
      'norway answer Oslo': true,
      'norway answer Christiania': false,
      'sum answer 3 + 4 = 7': true,
      'sum step 3 + 4': true,
      'product answer 7 * 2 = 15': false,
      'product step 7 * 2': true,
      'product step 9 * 9': false,
    });
    expect(await readTable(out, 'answer_tasks')).toMatchObject([
      {
        task: 'arithmetic',
        queries: 2,
        answers_found: 1,
        queries_with_steps: 2,
        any_step_found: 2,
        all_steps_found: 1,
      },
      { task: 'factual', queries: 2, answers_found: 2, queries_with_steps: 0 },
    ]);
  });

  it('asks a matcher of the user’s own in place of the built-in one', async () => {
    const folder = await smallFolder();
    const matcher = `export default { kind: 'matcher', name: 'ends', open: ({ last }) => (text, wanted) => wanted.map(() => text.endsWith(last)) };`;
    await writeFile(join(folder, 'ends.js'), matcher);
    const operators = [{ path: './ends.js', settings: { last: 'Oslo.' } }];
    const { out } = await run(await writeWorld(folder, { topK: 7, operators }, someDocuments, told));
    for (const row of await readTable(out, 'answers')) expect([row.documents, row.document_id]).toEqual([1, 'd5']);
    await writeFile(join(folder, 'ends.js'), matcher.replace('wanted.map(() => text.endsWith(last))', '[1]'));
    const failed = await command('run', join(folder, 'run.yaml'), '--quiet', '--no-resume');
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toMatch(/matcher ends/);
  });

  it('takes the kinds of the user’s own operator in place of the built-in ones', async () => {
    const folder = await smallFolder();
    const code = `export default { kind: 'map', name: 'length', takes: 'documents', gives: 'documents', lane: 'graph',
      open: () => (batch) => ({ ...batch, extra: { ...batch.extra, kind: batch.text.map((text) => text.length > 60 ? 'long' : '__proto__') } }) };`;
    await writeFile(join(folder, 'kinds.js'), code);
    const { out } = await run(await writeWorld(folder, { topK: 7, operators: ['./kinds.js'] }, someDocuments, told));
    const kinds = await readTable(out, 'kind_tasks');
    expect(new Set(kinds.map(({ kind }) => kind))).toEqual(new Set(['long', '__proto__']));
    for (const { text, kind } of await readTable(out, 'top_documents'))
      expect(kind).toBe((text as string).length > 60 ? 'long' : '__proto__');
  });

  it.each([
    [
      'queries without tasks, answers or steps',
      {},
      told.map(({ id, prompt, completion }) => ({ id, prompt, completion })),
      /correlations: No query has a task.*\n[\s\S]*answers: No query has answers/,
    ],
    ['one query', {}, [told[0]], /correlations: One query has no other to correlate with/],
    [
      'a corpus without a source column',
      { corpus: { files: ['corpus.parquet'], idColumn: 'id' } },
      told,
      /sources: The corpus has no source column/,
    ],
  ])('leaves out what cannot be said of %s, and says so', async (_title, settings, queries, expected) => {
    const { leftOut, verdicts } = await reported(settings, queries);
    expect(leftOut).toMatch(expected);
    expect(verdicts).toContain('cannot be said');
  });

  it('takes identical queries for what they are', async () => {
    const twins = [told[2], { ...told[2], id: 'again' }];
    const { out } = await reported({}, twins);
    const [{ r, significant }] = await readTable(out, 'correlations');
    expect(r).toBeCloseTo(1, 12);
    expect(significant).toBe(true);
    for (const { queries, of } of await readTable(out, 'shared_documents')) expect([queries, of]).toEqual([2, 2]);
  });

  it('says that scores are constant where they are', async () => {
    const folder = await smallFolder();
    const constant = `export default { kind: 'map', name: 'constant', takes: 'scores', gives: 'scores', lane: 'pool',
      open: () => (batch) => ({ ...batch, scores: batch.scores.map(() => 0.5) }) };`;
    await writeFile(join(folder, 'constant.js'), constant);
    const { out } = await run(await writeWorld(folder, { topK: 7, operators: ['./constant.js'] }, someDocuments, told));
    const { leftOut } = await readJson(out, 'report.json');
    const sentences = (leftOut as { sentence: string }[]).map(({ sentence }) => sentence).join('\n');
    expect(sentences).toMatch(/6 of 6 pairs have no correlation/);
    const [correlated] = await readTable(out, 'findings');
    expect(correlated).toMatchObject({
      verdict: 'cannot be said',
      reason: 'no reasoning task has two queries whose scores vary',
    });
  });

  it('can be made again from the tables alone, byte for byte', async () => {
    const { out } = await reported({});
    const [page, json] = await Promise.all(['report.html', 'report.json'].map((name) => readFile(join(out, name))));
    await Promise.all(['report.html', 'report.json'].map((name) => rm(join(out, name))));
    const again = await command('report', out);
    expect(again).toMatchObject({ exitCode: 0, stderr: '' });
    expect(again.stdout).toMatch(/^1\. procedures correlate[\s\S]*\nreport: .*report\.html/);
    expect((await readFile(join(out, 'report.html'))).equals(page)).toBe(true);
    expect((await readFile(join(out, 'report.json'))).equals(json)).toBe(true);
    expect(await readdir(out)).toContain('run.json');
  });

  it('of a folder that is no run’s is refused', async () => {
    const folder = await smallFolder();
    const refused = await command('report', folder);
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toMatch(/expected run\.json in .*name a folder that headwater run has finished/);
    expect(await command('report')).toMatchObject({ exitCode: 2 });
  });
});

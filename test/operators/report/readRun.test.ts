import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRun } from '../../../operators/report/readRun.ts';
import type { ReportModel } from '../../../operators/report/reportModel.ts';
import { writeTable } from '../../../operators/report/writeTable.ts';
import { InputError } from '../../../schemas/errors.ts';
import { hostileTexts, type SampleSettings, writeSampleRun } from './sampleRun.ts';

const few: [string, number][] = [
  ['slope', 3],
  ['factual', 2],
];
let folder: string;
let runs = 0;
const sample = (settings: SampleSettings = {}): Promise<string> =>
  writeSampleRun(join(folder, `${++runs}`), { tasks: few, topK: 12, tokens: 20, ...settings });
const leftOutOf = (model: ReportModel, section: string): string =>
  model.leftOut.flatMap((out) => (out.section === section ? [out.sentence] : [])).join(' ');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-report-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('readRun', () => {
  it('gives every query its ranking, and names each document once', async () => {
    const model = await readRun(await sample());
    expect(model.tasks).toEqual(['slope', 'factual']);
    expect(model.queries.map(({ id }) => id)).toEqual([
      '__proto__',
      '<i>slope</i>',
      'constructor',
      'factual-1',
      'factual-2',
    ]);
    for (const { top, bottom, bm25 } of model.rankings) {
      for (const list of [top, bottom, bm25])
        expect(list.map(({ rank }) => rank)).toEqual([...list.keys()].map((i) => i + 1));
      expect([top.length, bottom.length, bm25.length]).toEqual([12, 12, 12]);
    }
    const places = model.documents.map(({ file, row }) => `${file} ${row}`);
    expect(new Set(places).size).toBe(places.length);
    const { text } = model.documents[model.rankings[0].top[0].document];
    expect(hostileTexts.some((hostile) => text.startsWith(hostile))).toBe(true);
    expect(model.leftOut).toEqual([]);
  });

  it("gives the explained documents their tokens, whose influence sums to the document's score", async () => {
    const { rankings, documents } = await readRun(await sample());
    for (const { document, score, tokens } of rankings.flatMap(({ top, bottom }) => [
      ...top.slice(0, 5),
      ...bottom.slice(0, 5),
    ])) {
      expect(tokens!.texts.join('')).toBe(documents[document].text);
      expect(tokens!.influence.reduce((sum, value) => sum + value, 0)).toBeCloseTo(score!, 6);
    }
    expect(rankings[0].top[5].tokens).toBeNull();
  });

  it('says whether a completion holds an answer, an answer that begins in the prompt counted', async () => {
    const run = await sample();
    const json = JSON.parse(await readFile(join(run, 'run.json'), 'utf8'));
    json.queries[0].completion = ' It is paris, 0!';
    json.queries[1].completion = ' 1, of course';
    json.queries[1].prompt = 'Where? Paris';
    json.queries[2].completion = ' Parisian 2';
    json.queries[3].completion = null;
    await writeFile(join(run, 'run.json'), JSON.stringify(json));
    const { queries } = await readRun(run);
    expect(queries.map(({ holdsAnswer }) => holdsAnswer).slice(0, 4)).toEqual([true, true, false, null]);
  });

  it('takes points for the curve from the first rank to the last, positive scores alone', async () => {
    const { rankings } = await readRun(await sample());
    const { ranks, scores } = rankings[1].curve;
    expect([ranks[0], ranks[ranks.length - 1]]).toEqual([1, 12]);
    expect(scores).toEqual(ranks.map((rank) => rankings[1].top[rank - 1].score));
  });

  it.each<[string, SampleSettings, string, RegExp]>([
    ['tasks', { tasks: [['', 3]] }, 'correlations', /No query has a task/],
    ['sources', { withSources: false }, 'sources', /no source column/],
    ['answers', { withAnswers: false }, 'answers', /No query has answers or steps/],
    ['a second query', { tasks: [['slope', 1]] }, 'correlations', /One query has no other/],
    ['scores that differ', { constant: true }, 'correlations', /10 of 10 pairs have no correlation/],
    ['kinds.parquet', { without: ['kinds', 'kind_tasks'] }, 'kinds', /kinds\.parquet is not in this folder/],
    ['token_influence.parquet', { without: ['token_influence'] }, 'explorer', /shown without shades/],
  ])('says what is left out without %s', async (_what, settings, section, sentence) => {
    expect(leftOutOf(await readRun(await sample(settings)), section)).toMatch(sentence);
  });

  it('counts sources over all queries where none has a task', async () => {
    const { sources } = await readRun(await sample({ tasks: [['', 3]] }));
    expect(new Set(sources.map(({ task }) => task))).toEqual(new Set(['']));
    expect(sources.every(({ queries }) => queries === 3)).toBe(true);
  });

  it('spreads influence per nat over all queries where none has a task', async () => {
    const { perNat } = await readRun(await sample({ tasks: [['', 3]] }));
    const last = perNat[perNat.length - 1];
    const values = [1, 1.1, 1.2].map((factor) => 40 * 100 ** 0.45 * factor);
    const mean = values.reduce((sum, value) => sum + value, 0) / 3;
    const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 2);
    expect(last).toMatchObject({ task: '', percent: 100, queries: 3 });
    expect([last.mean, last.sd, last.variation]).toEqual(
      [mean, sd, sd / mean].map((value) => expect.closeTo(value, 9)),
    );
  });

  it('shows no path of the machine among the settings', async () => {
    const { run } = await readRun(await sample());
    expect(run.settings).toContainEqual(['corpus.files', '["corpus/*.parquet"]']);
    expect(JSON.stringify(run)).not.toContain('/data/world');
  });

  describe('refuses', () => {
    const refusal = async (run: string): Promise<string> => {
      const error = await readRun(run).then(
        () => null,
        (reason: Error) => reason,
      );
      expect(error).toBeInstanceOf(InputError);
      return error!.message;
    };

    it('a folder without run.json', async () => {
      expect(await refusal(folder)).toMatch(
        /readRun expected run\.json in .*: ENOENT.*; name a folder that headwater run has finished/,
      );
    });

    it.each([
      ['text that is no JSON', '{', /at its top/],
      ['another program’s JSON', '{"headwater": 1}', /at headwater/],
      [
        'queries that are none',
        '{"headwater": "1", "counts": {"read": 1, "scored": 1}, "queries": [{}]}',
        /at queries\.0\.id/,
      ],
    ])('a run.json with %s', async (_what, text, where) => {
      const run = await sample();
      await writeFile(join(run, 'run.json'), text);
      expect(await refusal(run)).toMatch(where);
    });

    it('a table that is no Parquet, one cut short, one of other columns, one of other types', async () => {
      const run = await sample();
      const path = join(run, 'correlations.parquet');
      await writeFile(path, 'not a table at all');
      expect(await refusal(run)).toMatch(
        /readTable could not read .*correlations\.parquet as Parquet: .*; run headwater run again/,
      );
      const bytes = await readFile(join(run, 'sources.parquet'));
      await writeFile(path, bytes.subarray(0, bytes.length >> 1));
      expect(await refusal(run)).toMatch(/could not read/);
      await copyFile(join(run, 'sources.parquet'), path);
      expect(await refusal(run)).toMatch(/expected the column query_a in .*correlations\.parquet, found/);
      await writeTable(path, { query_a: 'string', query_b: 'string', n: 'string' }, [
        { query_a: 'a', query_b: 'b', n: 'many' },
      ]);
      expect(await refusal(run)).toMatch(/expected int64 in column n of correlations\.parquet, got string \(row 0\)/);
    });
  });
});

import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../../operators/report/page/renderReport.ts';
import { strongestPart, trimModel } from '../../../operators/report/page/trimModel.ts';
import { readRun } from '../../../operators/report/readRun.ts';
import type { ReportModel } from '../../../operators/report/reportModel.ts';
import { writeReport } from '../../../operators/report/writeReport.ts';
import { writeSampleRun } from './sampleRun.ts';

let folder: string;
let run: string;
let html: string;
let bytes: number;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-page-'));
  run = await writeSampleRun(join(folder, 'run'), { tokens: 160, topK: 20 });
  const written = await writeReport(run);
  html = await readFile(written.html, 'utf8');
  bytes = written.bytes;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const modelOf = (page: string): ReportModel =>
  JSON.parse(/<script type="application\/json" id="model">(.*?)<\/script>/s.exec(page)![1]);

describe('the page', () => {
  it('stays within 5 MB for 110 queries whose documents are long, and says what it leaves out', () => {
    expect(bytes).toBe(Buffer.byteLength(html));
    expect(bytes).toBeLessThanOrEqual(PAGE_BYTES);
    const { trimmed, rankings } = modelOf(html);
    expect(trimmed[0]).toBe(
      `Of each query's ranking this page holds the first ${rankings[0].top.length} and the last ${rankings[0].bottom.length} documents, and the first ${rankings[0].bm25.length} by BM25.`,
    );
    expect(trimmed.at(-1)).toMatch(/report\.json/);
  });

  it('leaves everything in report.json', async () => {
    expect(JSON.parse(await readFile(join(run, 'report.json'), 'utf8'))).toEqual(await readRun(run));
  });

  it('holds no element, comment or filled-in place of a text', () => {
    const markup = html.replace(/<style>.*?<\/style>/gs, '').replace(/(<script[^>]*>).*?(<\/script>)/gs, '$1$2');
    expect(markup).not.toMatch(/alert|onerror|<img|<u>|7\*7|\{\{/);
    expect(html.match(/<script/g)).toHaveLength(4);
    expect(html.match(/<\/script>/g)).toHaveLength(4);
  });

  it('asks for nothing: its policy forbids it, and no address is named outside of scripts', () => {
    expect(html).toMatch(/Content-Security-Policy" content="default-src 'none'; script-src 'sha256-/);
    const markup = html.replace(/(<script[^>]*>).*?(<\/script>)/gs, '');
    expect(markup).not.toMatch(/https?:|src=|@import|url\(/);
  });

  it('is the same for the same tables', async () => {
    const { html: again } = await writeReport(run);
    expect(await readFile(again, 'utf8')).toBe(html);
  });
});

describe('trimModel', () => {
  it('keeps fewer documents the less room there is', async () => {
    const model = await readRun(run);
    const kept = [4_000_000, 1_500_000, 1].map((room) => JSON.parse(trimModel(model, room)).rankings[0].top.length);
    expect(kept[0]).toBeGreaterThan(kept[1]);
    expect(kept[2]).toBe(1);
  });

  it('shows control characters as text and rounds to four digits', async () => {
    const json = trimModel(await readRun(run), 4_000_000);
    expect(json).not.toMatch(/[^\P{C}\n]/u);
    expect(json).not.toMatch(/<|\d\.\d{12}/);
  });
});

describe('strongestPart', () => {
  const tokens = (influence: number[]) => ({ texts: influence.map(() => 'abcd'), influence, before: 0, behind: 0 });

  it('keeps the run of tokens with the most influence of either sign', () => {
    const part = strongestPart(tokens([1, 0, 0, -5, 4, 0, 2]), 12);
    expect(part).toEqual({ texts: ['abcd', 'abcd', 'abcd'], influence: [-5, 4, 0], before: 3, behind: 1 });
  });

  it('keeps all where all fit', () => {
    expect(strongestPart(tokens([1, 2, 0]), 100)).toEqual(tokens([1, 2, 0]));
  });

  it('cuts a token that is longer than the room', () => {
    const part = strongestPart({ texts: ['x'.repeat(50)], influence: [1], before: 0, behind: 0 }, 10);
    expect(part.texts).toEqual([`${'x'.repeat(10)}…`]);
  });
});

describe('the script of the page', () => {
  it('is of the types that it says', () => {
    const root = join(import.meta.dirname, '../../..');
    const { resolve } = createRequire(import.meta.url);
    const tsc = join(resolve('typescript/package.json'), '../bin/tsc');
    const checked = () =>
      execFileSync(process.execPath, [tsc, '-p', join(root, 'operators/report/page/script')], { encoding: 'utf8' });
    expect(checked()).toBe('');
  });
});

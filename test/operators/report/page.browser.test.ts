import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../../operators/report/writeReport.ts';
import { chromiumPath, launchChromium, openReport, type View } from './chromium.ts';
import { hostileTexts, type SampleSettings, writeSampleRun } from './sampleRun.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const few: [string, number][] = [
  ['slope', 3],
  ['factual', 3],
];

/** Runs that lack something, and what their page must say. */
const variants: [name: string, settings: SampleSettings, sentences: RegExp[]][] = [
  ['no source column', { tasks: few, withSources: false }, [/no source column/]],
  ['no tasks', { tasks: [['', 4]] }, [/No query has a task/]],
  ['no answers', { tasks: few, withAnswers: false }, [/No query has answers or steps/]],
  ['nothing: identical queries', { tasks: few, identical: true }, []],
  [
    'nothing: many tasks of long names',
    {
      tasks: Array.from({ length: 12 }, (_, i) => [
        `מטלה task ${i} with a name that is far too long for any axis`,
        2 + (i % 3),
      ]),
    },
    [],
  ],
  ['one query', { tasks: [['slope', 1]] }, [/One query has no other/, /no spread between queries/]],
  [
    'constant scores',
    { tasks: few, constant: true },
    [/15 of 15 pairs have no correlation/, /6 of 6 queries have no slope/],
  ],
  [
    'the tables of an older run',
    {
      tasks: few,
      without: [
        'findings',
        'correlation_groups',
        'influence_per_nat',
        'influence_per_nat_tasks',
        'power_law',
        'power_law_tasks',
        'kinds',
        'kind_tasks',
        'answers',
        'answer_tasks',
        'bm25_documents',
        'shared_documents',
        'duplicates',
        'token_influence',
      ],
    },
    [/findings\.parquet is not in this folder/, /bm25_documents\.parquet is not/, /shown without shades/],
  ],
];

describe.skipIf(chromiumPath === undefined)('the report in Chromium', () => {
  let browser: Browser;
  let folder: string;
  let whole: string;
  let small: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headwater-page-'));
    browser = await launchChromium();
    whole = await reportOf('whole', {});
    small = await reportOf('small', { tasks: [...few, ['', 1]] });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const reportOf = async (name: string, settings: SampleSettings): Promise<string> =>
    (await writeReport(await writeSampleRun(join(folder, name), settings))).html;

  const views: View[] = [
    { width: 1280, scheme: 'light' },
    { width: 1280, scheme: 'dark' },
    { width: 390, scheme: 'light' },
    { width: 390, scheme: 'dark' },
  ];

  it.each(views)('draws every figure, asks for nothing and fits its window: %o', async (view) => {
    const { page, complaints } = await openReport(browser, whole, view);
    expect(complaints).toEqual([]);
    expect(await figuresWithoutMarks(page)).toEqual([]);
    expect(await page.locator('figure').count()).toBe(11);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(view.width);
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe(view.scheme);
    await page.close();
  });

  it.each(views.slice(0, 3))('has no fault that axe knows of, with every table opened: %o', async (view) => {
    const { page } = await openReport(browser, small, view);
    await page.evaluate('for (const details of document.querySelectorAll("details")) details.open = true');
    await page.evaluate(axe);
    expect(await faultsOf(page)).toEqual([]);
    await page.close();
  });

  it('says all five findings with their verdicts', async () => {
    const { page } = await openReport(browser, whole);
    const verdicts = await page.locator('.finding .verdict').allInnerTexts();
    expect(verdicts.map((text) => text.replace(/^\W+/, ''))).toEqual([
      ...['replicates', 'replicates', 'replicates', 'does not replicate', 'cannot be said'],
    ]);
    await page.close();
  });

  it('shows hostile texts as text', async () => {
    const { page, complaints } = await openReport(browser, whole);
    const shown = await page.locator('#query').textContent();
    expect(shown).toContain(hostileTexts[0]);
    expect(await page.locator('#query img, #query script, #query b, #query u').count()).toBe(0);
    expect(await page.locator('main').textContent()).not.toMatch(/[^\P{C}\n\t]/u);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is led by keys alone: to the findings, and through the queries', async () => {
    const { page } = await openReport(browser, whole);
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the findings');
    await tabTo(page, 'query-search');
    await page.keyboard.type('slope __proto__');
    expect(await page.locator('#query h3').first().textContent()).toContain('__proto__');
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Delete');
    await page.keyboard.press('Tab');
    const before = await page.locator('#query h3').first().textContent();
    await page.keyboard.press('ArrowDown');
    expect(await page.locator('#query h3').first().textContent()).not.toBe(before);
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.close();
  });

  it('shades tokens for the ends that are explained, and lists opponents on request', async () => {
    const { page } = await openReport(browser, whole);
    expect(await page.locator('#query .token[style*=background]').count()).toBeGreaterThan(20);
    await page.getByRole('radio', { name: 'opponents' }).check();
    expect(await page.locator('#query .columns > :first-child .documents > li').count()).toBe(5);
    expect(await page.locator('#query .score.negative').first().textContent()).toMatch(/^−/);
    await page.close();
  });

  it('counts sources to the k that is chosen, and takes the other theme', async () => {
    const { page, complaints } = await openReport(browser, whole);
    const before = await page.locator('#sources svg[role=img]').first().innerHTML();
    await page.locator('#sources').getByRole('radio', { name: '100' }).check();
    expect(await page.locator('#sources svg[role=img]').first().innerHTML()).not.toBe(before);
    await page.getByRole('button', { name: 'Dark theme' }).press('Enter');
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark');
    expect(await figuresWithoutMarks(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it.each(variants)('opens and says what is left out with %s', async (name, settings, sentences) => {
    const html = await reportOf(name.replaceAll(' ', '-'), settings);
    for (const view of [{ width: 1280 }, { width: 390, scheme: 'dark' as const }]) {
      const { page, complaints } = await openReport(browser, html, view);
      expect(complaints).toEqual([]);
      expect(await figuresWithoutMarks(page)).toEqual([]);
      const said = (await page.locator('.left-out').allInnerTexts()).join('\n');
      for (const sentence of sentences) expect(said).toMatch(sentence);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(view.width);
      await page.close();
    }
  });
});

/** Titles of figures that show neither a mark nor a table. */
const figuresWithoutMarks = (page: Page): Promise<string[]> =>
  page.evaluate(`[...document.querySelectorAll('figure')]
    .filter((figure) => figure.querySelectorAll('.plot svg [data-mark] :is(path, rect, circle, line, text), .plot td').length === 0)
    .map((figure) => figure.querySelector('h3').textContent)`);

const focused = (page: Page): Promise<string> =>
  page.evaluate('document.activeElement.id || document.activeElement.textContent');

async function tabTo(page: Page, id: string): Promise<void> {
  for (let i = 0; i < 200; ++i) {
    await page.keyboard.press('Tab');
    if ((await focused(page)) === id) return;
  }
  throw new Error(`no number of tabs leads to ${id}`);
}

/** WCAG 2 at A and AA with axe's good practice, as `rule: element`. */
async function faultsOf(page: Page): Promise<string[]> {
  return page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.slice(0, 5).map(({ target, failureSummary }) => id + ': ' + target.join(' ') + ' ' + failureSummary)))`);
}

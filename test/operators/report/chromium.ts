/** A headless Chromium for tests of the page: where it is found, and a page that keeps what it complained of. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

const places = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** Undefined where there is none: tests of the page are then skipped. */
export const chromiumPath = places.find((path) => path !== undefined && existsSync(path));
if (chromiumPath === undefined)
  console.warn('tests of the report in a browser are skipped: no Chromium found; set CHROMIUM_PATH to one');

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox', '--disable-gpu'] });

export interface OpenedPage {
  page: Page;
  /** Errors and warnings of the console, exceptions, dialogs, and every request but that of the file itself. */
  complaints: string[];
}

export interface View {
  width?: number;
  scheme?: 'light' | 'dark';
}

export async function openReport(browser: Browser, html: string, view: View = {}): Promise<OpenedPage> {
  const { width = 1280, scheme = 'light' } = view;
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith('data:') && !request.isNavigationRequest())
      complaints.push(`request: ${request.url()}`);
  });
  await page.goto(pathToFileURL(html).href);
  await page.waitForFunction('document.querySelector("#run .settings") !== null');
  await page.evaluate('new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))');
  return { page, complaints };
}

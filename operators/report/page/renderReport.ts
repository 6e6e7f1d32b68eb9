/** Renders the report's model into one HTML file that opens offline: style, scripts and data inlined, connections forbidden. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { ReportModel } from '../reportModel.ts';
import { trimModel } from './trimModel.ts';

/** What the page may weigh, bytes. */
export const PAGE_BYTES = 5_000_000;

/** The modules of the page's script, those that others import first; on the page they share one scope. */
const scripts = [
  ...['elements', 'model', 'formats', 'palette', 'figures', 'findings', 'correlations', 'perNat', 'powerLaw'],
  ...['overRepresentation', 'answers', 'explorer', 'shared', 'aboutRun', 'theme', 'main'],
];

/** No longer than PAGE_BYTES unless the statistics alone are: the rankings are trimmed until it fits, and the page says so. */
export function renderReport(model: ReportModel): string {
  const parts = pageParts();
  const page = (json: string): string =>
    fill(parts.template, { ...parts.filled, model: `<script type="application/json" id="model">${json}</script>` });
  return page(trimModel(model, PAGE_BYTES - Buffer.byteLength(page(''))));
}

function pageParts() {
  const code = [...libraries(), pageScript()].map(inScript);
  const filled = {
    policy: policyOf(code),
    style: `<style>\n${read('page.css')}</style>`,
    scripts: code.map((script) => `<script>${script}</script>`).join('\n'),
  };
  return { template: read('page.html'), filled };
}

/** In one pass, so that what is filled in is not looked through for places to fill. */
const fill = (template: string, values: Record<string, string>): string =>
  template.replace(/<!--\{\{(\w+)\}\}-->|\{\{policy\}\}/g, (_place, name = 'policy') => values[name]);

const read = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

/** d3 first: Plot's build expects it there. */
function libraries(): string[] {
  const { resolve } = createRequire(import.meta.url);
  const beside = (name: string, path: string): string => readFileSync(join(resolve(name), path), 'utf8');
  return [beside('d3', '../../dist/d3.min.js'), beside('@observablehq/plot', '../../dist/plot.umd.min.js')];
}

const pageScript = (): string => `(() => {\n'use strict';\n${scripts.map(inOneScope).join('\n')}\n})();`;

/** A module without its imports and exports, which are names of the scope that it shares. */
const inOneScope = (name: string): string =>
  read(`script/${name}.js`)
    .replace(/^import [^;]*;\n/gm, '')
    .replace(/^export /gm, '');

/** What would end the element is written otherwise; in these scripts it can only stand in texts and patterns. */
const inScript = (code: string): string => code.replace(/<\/(script)/gi, '<\\/$1').replaceAll('<!--', '<\\!--');

/** Plot styles its marks inline. Nothing may be loaded; of scripts only these run. */
function policyOf(code: string[]): string {
  const hashes = code.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  return `default-src 'none'; script-src ${hashes.join(' ')}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`;
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadOperator } from '../../../pipeline/operators/loadOperator.ts';

/** Files in a folder of their own, outside any package. */
async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-operators-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
  return folder;
}

const typed = `
  import { lane } from './lane.ts';
  interface Named { name: string }
  const own: Named & Record<string, unknown> = { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane, open: () => (batch: unknown) => batch };
  export default own;`;
const plain = `export default { kind: 'map', name: 'own', takes: 'scores', gives: 'scores', lane: 'pool', open: () => (batch) => batch };`;
const lane = `export const lane: string = 'pool';`;

describe('loadOperator', () => {
  const cases: [string, string, Record<string, string>][] = [
    ['TypeScript where no package.json is', typed, {}],
    ['TypeScript in a package of modules', typed, { 'package.json': '{"type": "module"}' }],
    ['TypeScript in a package of CommonJS', typed, { 'package.json': '{"type": "commonjs"}' }],
  ];
  it.each(cases)('loads %s', async (_name, code, files) => {
    const folder = await folderWith({ 'own.ts': code, 'lane.ts': lane, ...files });
    expect(await loadOperator(pathToFileURL(join(folder, 'own.ts')).href)).toMatchObject({ name: 'own', lane: 'pool' });
  });

  it.each(['own.js', 'own.mjs', 'own.mts'])('loads %s where no package.json is', async (name) => {
    const folder = await folderWith({ [name]: plain });
    expect(await loadOperator(pathToFileURL(join(folder, name)).href)).toMatchObject({ name: 'own' });
  });

  it('loads CommonJS, and a function as an observer', async () => {
    const folder = await folderWith({
      'own.cjs': plain.replace('export default', 'module.exports ='),
      'watch.ts': 'export default (batches: unknown) => batches;',
    });
    expect(await loadOperator(pathToFileURL(join(folder, 'own.cjs')).href)).toMatchObject({ name: 'own' });
    expect(await loadOperator(pathToFileURL(join(folder, 'watch.ts')).href)).toBeTypeOf('function');
  });

  it('names a file with a fault in its syntax', async () => {
    const folder = await folderWith({ 'own.ts': 'export default {' });
    await expect(loadOperator(pathToFileURL(join(folder, 'own.ts')).href)).rejects.toThrow(
      /operator .*own\.ts could not be loaded/,
    );
  });
});

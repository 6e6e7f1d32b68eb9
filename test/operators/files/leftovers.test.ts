/** What killed processes leave in the cache folder. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partialOf, removeLeftovers, scratchName } from '../../../operators/files/leftovers.ts';
import { isNamedAlive, processName } from '../../../operators/files/processName.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-leftovers-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The names that a process of its own gives, which is killed before it can clear them away. */
async function killedProcess(): Promise<{ partial: string; scratch: string; name: string }> {
  const files = new URL('../../../operators/files/', import.meta.url);
  const script = `
    import { partialOf, scratchName } from ${JSON.stringify(`${files}leftovers.ts`)};
    import { processName } from ${JSON.stringify(`${files}processName.ts`)};
    console.log(JSON.stringify({ partial: partialOf('words.json'), scratch: scratchName('projecting'), name: processName() }));
    setTimeout(() => {}, 60_000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const names = JSON.parse(String(line));
  expect(isNamedAlive(names.name)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return names;
}

test('what a killed process left goes, in the folders of models and curvatures too; everything else stays', async () => {
  const killed = await killedProcess();
  await mkdir(join(folder, 'model-1/part-1-of-2'), { recursive: true });
  await mkdir(join(folder, killed.scratch));
  await writeFile(join(folder, killed.scratch, 'taps'), 'taps');
  const partials = [killed.partial, `model-1/${killed.partial}`, `model-1/part-1-of-2/${killed.partial}`];
  const kept = ['words.json', 'model-1/weights.bin', partialOf('words.json'), `${scratchName('projecting')}/taps`];
  await mkdir(join(folder, kept[3]!, '..'));
  for (const name of [...partials, ...kept]) await writeFile(join(folder, name), 'half');
  expect(await removeLeftovers(folder)).toBe(4);
  const left = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = left.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  expect(files.sort()).toEqual(kept.map((name) => join(folder, name)).sort());
}, 20_000);

test('what another machine or an earlier version left goes once nobody has written to it for a week', async () => {
  const names = ['words.json.0f0f0f0f.12.34.abcdef01.partial', 'queries.safetensors.6b1c-uuid.partial'];
  for (const name of names) await writeFile(join(folder, name), 'half');
  await mkdir(join(folder, 'projecting-aB3dE6'));
  await writeFile(join(folder, 'projecting-aB3dE6/taps'), 'taps');
  const written = (daysAgo: number) => Date.now() / 1000 - daysAgo * 86_400;
  for (const name of [...names, 'projecting-aB3dE6']) await utimes(join(folder, name), written(8), written(8));
  await utimes(join(folder, names[0]!), written(6), written(6));
  expect(await removeLeftovers(folder)).toBe(1);
  expect((await readdir(folder)).sort()).toEqual(['projecting-aB3dE6', names[0]]);
  await utimes(join(folder, 'projecting-aB3dE6/taps'), written(8), written(8));
  expect(await removeLeftovers(folder)).toBe(1);
  expect(await readdir(folder)).toEqual([names[0]]);
});

test('a folder that is not there has no leftovers', async () => {
  expect(await removeLeftovers(join(folder, 'nowhere'))).toBe(0);
});

test('a process of this number that began at another time is another one', () => {
  const [place, pid, start] = processName().split('.');
  expect(isNamedAlive(processName())).toBe(true);
  expect(isNamedAlive(`${place}.${pid}.${Number(start) + 1}`)).toBe(false);
  expect(isNamedAlive(`${place}.${2 ** 22 + 1}.${start}`)).toBe(false);
});

test('of a process elsewhere, and of a text that names none, nothing is known', () => {
  const [, pid, start] = processName().split('.');
  for (const name of [`00000000.${pid}.${start}`, '', hostname(), `${processName()}.1`])
    expect(isNamedAlive(name)).toBe(null);
});

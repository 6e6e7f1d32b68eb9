/** The cache folder before a stage uses it. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { notice } from '../../../operators/files/damagedFile.ts';
import { partialOf } from '../../../operators/files/leftovers.ts';
import { processName } from '../../../operators/files/processName.ts';
import { tidyCache } from '../../../pipeline/stages/tidyCache.ts';
import { quietHooks, smallFolder } from '../smallWorld.ts';

/** No process has so high a number. */
const dead = processName().replace(/\.\d+\./, '.4194305.');

it('is rid of what ended processes left, which is said, and of nothing that this one writes', async () => {
  const cache = await smallFolder();
  const own = partialOf(join(cache, 'words.json'));
  await writeFile(own, 'half');
  await writeFile(own.replace(processName(), dead), 'half');
  await mkdir(join(cache, `projecting-${dead}.0123abcd`));
  const hooks = quietHooks();
  await tidyCache(cache, hooks);
  expect(await readdir(cache)).toEqual([own.slice(cache.length + 1)]);
  expect(hooks.lines).toEqual([`cache: removed 2 unfinished files or folders that ended processes left in ${cache}`]);
  await tidyCache(cache, hooks);
  expect(hooks.lines).toHaveLength(1);
});

it('need not be there, and its notices go where the stage says what it does', async () => {
  const hooks = quietHooks();
  await tidyCache('nowhere', hooks);
  expect(hooks.lines).toEqual([]);
  notice('made again');
  expect(hooks.lines).toEqual(['made again']);
});

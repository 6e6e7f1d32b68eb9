import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readConfiguration } from '../../../pipeline/configuration/readConfiguration.ts';
import { fullChain, prepare } from '../../../pipeline/stages/prepare.ts';
import type { StageHooks } from '../../../pipeline/stages/stageHooks.ts';
import { UsageError } from '../../../schemas/errors.ts';
import { type LocalHub, openLocalHub } from '../hub/localHub.ts';

const datasets = join(import.meta.dirname, '../../../datasets');
const hooks: Pick<StageHooks, 'log' | 'signal'> = { log: () => {}, signal: new AbortController().signal };

let hub: LocalHub;
let cache: string;

beforeEach(async () => {
  const names = await readdir(join(datasets, 'model'));
  const files = names.map(async (name) => [name, await readFile(join(datasets, 'model', name))] as const);
  hub = await openLocalHub({ 'lab/bundled': { files: Object.fromEntries(await Promise.all(files)) } });
  cache = await mkdtemp(join(tmpdir(), 'headwater-prepare-'));
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_HUB_CACHE', cache);
  vi.stubEnv('HF_TOKEN', 'hf_any');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(cache, { recursive: true });
});

const bundled = async (sets: string[] = []) =>
  (await readConfiguration(join(datasets, 'headwater.yaml'), sets)).configuration;

describe('prepare', () => {
  it('opens a model by its hub id as it opens a folder', async () => {
    const byId = await prepare(await bundled(['model=lab/bundled@v1']), hooks);
    const byFolder = await prepare(await bundled(), hooks);
    expect(byId.folder.path.startsWith(cache)).toBe(true);
    expect(await byId.folder.fingerprint()).toBe(await byFolder.folder.fingerprint());
    expect(byId.tokenizer.fingerprint).toBe(byFolder.tokenizer.fingerprint);
    expect(byId.coverage).toEqual(byFolder.coverage);
  });

  it('keeps the hub id in the configuration and gives the workers the folder', async () => {
    const prepared = await prepare(await bundled(['model=lab/bundled']), hooks);
    expect(prepared.configuration.model).toBe('lab/bundled');
    const spec = { module: 'gradients', settings: {} };
    const gradients = { takes: 'tokenWindows', gives: 'projectedGradients', spec } as const;
    const [kinds, words, tokens] = fullChain(
      prepared,
      'words.json',
      [gradients],
      [{ path: 'join', queries: 1, widths: [1], queryNorms: null }],
    );
    expect(kinds.spec.module).toMatch(/labelKinds/);
    expect(words.spec.settings).toEqual({ path: 'words.json' });
    expect(tokens.spec.settings).toMatchObject({ tokenizerFolder: prepared.folder.path });
  });

  it.each([
    [
      ['cosine=true', 'longDocuments=split'],
      "cosine divides by the norm of a document's whole gradient, which longDocuments: split computes in pieces: set longDocuments: cut",
    ],
    [
      ['preconditioner={kind: diagonal}', 'projection={kind: eigen}'],
      'projection eigen keeps eigenvectors of the covariances, which preconditioner diagonal does not estimate',
    ],
  ])('refuses settings that contradict each other: %j', async (sets, message) => {
    const refused = prepare(await bundled(sets), hooks);
    await expect(refused).rejects.toThrow(UsageError);
    await expect(refused).rejects.toThrow(message);
  });

  it('reads queries before it downloads a model', async () => {
    const configuration = await bundled(['model=lab/bundled', 'queries=absent.jsonl']);
    await expect(prepare(configuration, hooks)).rejects.toThrow('absent.jsonl');
    expect(hub.requests).toEqual([]);
  });
});

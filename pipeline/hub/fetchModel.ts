/** Gives the folder of the model that the configuration names: the folder itself, or what the hub holds under that id, downloaded once. */
import { readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { readWeightMap, weightsFile } from '../../operators/gradients/safetensors.ts';
import { printableLine } from '../../operators/report/printableText.ts';
import { InputError, ResourceError } from '../../schemas/errors.ts';
import type { StageHooks } from '../stages/stageHooks.ts';
import { downloadBlob } from './downloadBlob.ts';
import { HubCache, sizeOf } from './hubCache.ts';
import { type HubSettings, hubSettings } from './hubSettings.ts';
import { type HubId, type Repository, readRepository } from './readRepository.ts';

const needed = ['config.json', 'tokenizer.json'];
const ifThere = ['tokenizer_config.json', 'chat_template.jinja', 'special_tokens_map.json'];

type Hooks = Pick<StageHooks, 'log' | 'signal'>;

/**
 * `model` is an absolute path, given back as it is, or a hub id such as `HuggingFaceTB/SmolLM2-135M@main`. What the cache holds
 * of a branch is used without asking whether the branch has moved. Throws InputError.
 */
export async function fetchModel(model: string, hooks: Hooks, settings?: HubSettings): Promise<string> {
  if (isAbsolute(model)) return model;
  const wanted = readHubId(model);
  const hub = settings ?? (await hubSettings());
  const cache = new HubCache(hub.cache, wanted.id);
  const known = await cache.commit(wanted.revision);
  const cached = known !== null && (await isWhole(cache.snapshot(known)));
  const commit = cached
    ? known
    : await download(hub, wanted, cache, hooks).catch((error) => {
        throw cacheFault(error, hub) ?? error;
      });
  hooks.log(`model: ${wanted.id}, commit ${commit}`);
  return cache.snapshot(commit);
}

/** A fault of the disk that the cache is on. */
function cacheFault(error: NodeJS.ErrnoException, { cache }: HubSettings): ResourceError | null {
  if (error.errno === undefined) return null;
  const next = 'make room or allow writing there, or name another folder with HF_HUB_CACHE';
  return new ResourceError(`model: could not be kept in ${cache}: ${error.message}: ${next}`, { cause: error });
}

/** `owner/name` or `owner/name@revision`; old models have no owner. */
function readHubId(model: string): HubId {
  const part = /\w[\w.-]*/.source;
  const [, id, revision = 'main'] = new RegExp(`^((?:${part}/)?${part})(?:@([\\w./-]+))?$`).exec(model) ?? [];
  if (id && !`${id}/${revision}`.includes('..')) return { id, revision };
  throw new InputError(
    `model: expected a folder, or a hub id such as HuggingFaceTB/SmolLM2-135M, got ${printableLine(model)}: no folder of that name ` +
      'is there (paths are relative to the configuration file)',
  );
}

/** Whether a folder of the cache holds a model and its tokenizer; weights are put there last. */
async function isWhole(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  const weights = weightsFile(names);
  if (!weights) return false;
  const shards = await shardsOf(folder, weights).catch(() => null);
  if (!shards) return false;
  const sizes = await Promise.all([...needed, ...shards].map((name) => sizeOf(join(folder, name))));
  return !sizes.includes(null);
}

/** Downloads what the cache lacks of the commit that the revision stands for now, and gives the commit. */
async function download(hub: HubSettings, wanted: HubId, cache: HubCache, hooks: Hooks): Promise<string> {
  if (hub.offline)
    throw new InputError(
      `model: ${wanted.id} is no folder here and not whole in ${hub.cache}, and HF_HUB_OFFLINE is set: unset it to download the ` +
        'model once, or give the path of a folder that holds it',
    );
  const repository = await readRepository(hub, wanted, hooks.signal);
  const weights = expectModel(repository, hub);
  const fetchAll = (names: string[]) => fetchFiles(hub, repository, names, cache, hooks);
  const optional = ifThere.filter((name) => repository.files.some((file) => file.name === name));
  await fetchAll([...needed, ...optional]);
  if (isIndex(weights)) await fetchAll([weights]);
  await fetchAll(await shardsOf(cache.snapshot(repository.commit), weights));
  await cache.rememberCommit(wanted.revision, repository.commit);
  return repository.commit;
}

async function fetchFiles(
  hub: HubSettings,
  repository: Repository,
  names: string[],
  cache: HubCache,
  { log, signal }: Hooks,
): Promise<void> {
  for (const name of names) {
    const file = repository.files.find((one) => one.name === name);
    if (!file) throw new InputError(`model: ${repository.id} has no ${name}, which its index names: ${anotherModel}`);
    const blob = await cache.blob(file.etag);
    if ((await sizeOf(blob)) !== file.size) {
      log(`downloading ${name} of ${repository.id}, ${bytes(file.size)}`);
      await downloadBlob({ hub, repository, file, signal }, blob);
    }
    await cache.show(blob, repository.commit, name);
  }
}

const bytes = (size: number): string =>
  size < 2 ** 20 ? `${Math.ceil(size / 2 ** 10)} KiB` : `${(size / 2 ** 20).toFixed(1)} MiB`;

/** The file that the weights are read from, in a repository that has all a model needs. */
function expectModel({ id, files }: Repository, { endpoint }: HubSettings): string {
  const names = files.map(({ name }) => name).filter((name) => !name.includes('/'));
  const weights = weightsFile(names);
  const missing = [...needed.filter((name) => !names.includes(name)), ...(weights ? [] : ['model.safetensors'])];
  if (weights && missing.length === 0) return weights;
  const found = names.filter((name) => /\.(json|safetensors|bin|pth?|gguf|model|h5|msgpack)$/.test(name));
  throw new InputError(
    `model: ${endpoint}/${id} expected config.json, tokenizer.json and model.safetensors (or its index and shards), found no ` +
      `${missing.join(' and no ')}; it has ${found.slice(0, 8).join(', ') || 'no file of a model'}: ${anotherModel}`,
  );
}

const anotherModel =
  'name a repository in that form, or save the model with save_pretrained (transformers) and give the folder';

const isIndex = (name: string): boolean => name.endsWith('.index.json');

/** The files that hold the weights themselves. */
async function shardsOf(folder: string, weights: string): Promise<string[]> {
  if (!isIndex(weights)) return [weights];
  return [...new Set((await readWeightMap(join(folder, weights))).map(([, shard]) => shard))];
}

import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { fetchModel } from '../../../pipeline/hub/fetchModel.ts';
import type { HubSettings } from '../../../pipeline/hub/hubSettings.ts';
import { InputError, ResourceError } from '../../../schemas/errors.ts';
import { commit, describe as describeRepository, gitHash, type LocalHub, openLocalHub, sha256 } from './localHub.ts';

const goldens = join(import.meta.dirname, '../../goldens');
const tiny = await filesOf('gradients/gqa-tied', ['config.json', 'model.safetensors']);
const weights = tiny['model.safetensors'];
const tokenizer = await filesOf('tokens/metaspace', ['tokenizer.json', 'tokenizer_config.json']);
const shardNames = [1, 2, 3].map((n) => `model-0000${n}-of-00003.safetensors`);
const sharded = await filesOf('gradients/sharded', ['config.json', 'model.safetensors.index.json', ...shardNames]);
const model = { ...tiny, ...tokenizer };
const besides = {
  'README.md': '# tiny',
  'pytorch_model.bin': 'old',
  'onnx/model.onnx': 'large',
  'onnx/config.json': '{}',
};

async function filesOf(folder: string, names: string[]): Promise<Record<string, Buffer>> {
  const read = names.map(async (name) => [name, await readFile(join(goldens, folder, name))] as const);
  return Object.fromEntries(await Promise.all(read));
}

let hub: LocalHub;
let cache: string;
let log: string[];

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'headwater-hub-'));
  hub = await openLocalHub({
    'lab/tiny': { files: { ...besides, ...model } },
    'lab/sharded': { files: { ...sharded, ...tokenizer } },
    'lab/gated': { files: model, token: 'hf_good' },
  });
  log = [];
});
afterEach(async () => {
  await hub.close();
  await rm(cache, { recursive: true });
});

/** Fetches as a run does, from the local hub. */
function fetched(
  id: string,
  settings: Partial<HubSettings> = {},
  signal = new AbortController().signal,
): Promise<string> {
  const all = { endpoint: hub.endpoint, token: null, cache, offline: false, ...settings };
  return fetchModel(id, { log: (line) => log.push(line), signal }, all);
}

async function refusal(id: string, settings: Partial<HubSettings> = {}): Promise<string> {
  const error = await fetched(id, settings).then(
    (folder) => expect.fail(`gave ${folder}`),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message;
}

const asked = (): string[] => hub.requests.map(({ path }) => path.replace(/.*\//, ''));
const rangesOfWeights = () => hub.requests.filter(({ host }) => host === 'storage').map(({ range }) => range);
const part = () => join(cache, 'models--lab--tiny/blobs', `${sha256(weights)}.headwater`);

/** Has each answer of the storage end after so many bytes. */
function endAfter(bytes: number): void {
  hub.interrupt = ({ host, range }, response) => {
    if (host !== 'storage') return false;
    const from = Number(/\d+/.exec(range ?? '0'));
    response.writeHead(from > 0 ? 206 : 200).end(weights.subarray(from, from + bytes));
    return true;
  };
}

describe('fetchModel', () => {
  it('gives a folder back as it is', async () => {
    expect(await fetched('/models/any')).toBe('/models/any');
    expect(hub.requests).toEqual([]);
  });

  it('downloads the files that a model is read from and no others', async () => {
    const folder = await fetched('lab/tiny');
    expect((await readdir(folder)).sort()).toEqual(Object.keys(model).sort());
    for (const [name, content] of Object.entries(model)) expect(await readFile(join(folder, name))).toEqual(content);
    expect((await readModelFolder(folder)).tensors.size).toBeGreaterThan(10);
  });

  it('says one line for each file, weights last, and the commit', async () => {
    await fetched('lab/tiny');
    expect(log).toEqual([
      'downloading config.json of lab/tiny, 1 KiB',
      'downloading tokenizer.json of lab/tiny, 18 KiB',
      'downloading tokenizer_config.json of lab/tiny, 1 KiB',
      'downloading model.safetensors of lab/tiny, 22 KiB',
      `model: lab/tiny, commit ${commit}`,
    ]);
  });

  it('needs no network where the cache has the model', async () => {
    const folder = await fetched('lab/tiny');
    await hub.close();
    expect(await fetched('lab/tiny')).toBe(folder);
    expect(await fetched('lab/tiny', { offline: true })).toBe(folder);
    expect(await fetched(`lab/tiny@${commit}`)).toBe(folder);
    hub = await openLocalHub({});
  });

  it.each(['main', 'v1', 'refs/pr/1', commit])('takes the revision %s', async (revision) => {
    const folder = await fetched(`lab/tiny@${revision}`);
    expect(folder).toBe(join(cache, 'models--lab--tiny/snapshots', commit));
    expect(hub.requests[0].path).toBe(`/api/models/lab/tiny/revision/${encodeURIComponent(revision)}?blobs=true`);
    hub.requests.length = 0;
    expect(await fetched(`lab/tiny@${revision}`)).toBe(folder);
    expect(hub.requests).toEqual([]);
  });

  it('downloads the shards that an index names', async () => {
    const folder = await fetched('lab/sharded');
    expect(await readdir(folder)).toEqual(expect.arrayContaining(shardNames));
    expect((await readModelFolder(folder)).tensors.size).toBeGreaterThan(10);
  });

  it('downloads what a cache lacks and nothing else', async () => {
    const folder = await fetched('lab/sharded');
    await rm(join(folder, shardNames[1])); // the link alone: its content stays
    await rm(join(cache, 'models--lab--sharded/blobs', sha256(sharded[shardNames[2]])));
    hub.requests.length = 0;
    await fetched('lab/sharded');
    expect(asked()).toEqual([expect.stringContaining('main'), shardNames[2], sha256(sharded[shardNames[2]])]);
    expect((await readModelFolder(folder)).tensors.size).toBeGreaterThan(10);
  });

  it('reads what Python put into the cache', async () => {
    const repository = join(cache, 'models--lab--elsewhere');
    const snapshot = join(repository, 'snapshots', commit);
    for (const folder of ['blobs', 'refs', `snapshots/${commit}`])
      await mkdir(join(repository, folder), { recursive: true });
    await writeFile(join(repository, 'refs/main'), commit);
    for (const [name, content] of Object.entries(model)) {
      const etag = name === 'model.safetensors' ? sha256(content) : gitHash(content);
      await writeFile(join(repository, 'blobs', etag), content);
      await symlink(`../../blobs/${etag}`, join(snapshot, name));
    }
    expect(await fetched('lab/elsewhere')).toBe(snapshot);
    expect(hub.requests).toEqual([]);
  });

  it('sends the token to the hub and to no other host', async () => {
    const folder = await fetched('lab/gated', { token: 'hf_good' });
    expect((await readModelFolder(folder)).tensors.size).toBeGreaterThan(10);
    for (const { host, authorization } of hub.requests)
      expect(authorization).toBe(host === 'hub' ? 'Bearer hf_good' : undefined);
    expect(hub.requests.map(({ host }) => host)).toContain('storage');
  });
});

describe('a download', () => {
  it('goes on where an answer ended early', async () => {
    const third = Math.ceil(weights.length / 3);
    endAfter(third);
    const folder = await fetched('lab/tiny');
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    expect(rangesOfWeights()).toEqual([undefined, `bytes=${third}-`, `bytes=${2 * third}-`]);
    expect(await readdir(join(cache, 'models--lab--tiny/blobs'))).toHaveLength(4);
  });

  it('goes on where an earlier run stopped', async () => {
    hub.interrupt = ({ host, range }, response) => {
      if (host !== 'storage') return false;
      if (range) response.destroy();
      else response.end(weights.subarray(0, 1000));
      return true;
    };
    expect(await refusal('lab/tiny')).toContain(`${hub.endpoint} could not be reached (`);
    expect(await readFile(part())).toEqual(weights.subarray(0, 1000));
    hub.interrupt = () => false;
    const folder = await fetched('lab/tiny');
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    expect(rangesOfWeights().at(-1)).toBe('bytes=1000-');
  });

  it('says what is there where a connection is cut before anything more came', async () => {
    hub.interrupt = ({ host }, response) => {
      if (host !== 'storage') return false;
      response.writeHead(206, { 'Content-Length': weights.length - 77 }).flushHeaders();
      setImmediate(() => response.destroy());
      return true;
    };
    await mkdir(join(cache, 'models--lab--tiny/blobs'), { recursive: true });
    await writeFile(part(), weights.subarray(0, 77));
    expect(await refusal('lab/tiny')).toMatch(
      new RegExp(
        `^model: model\\.safetensors of lab/tiny: the connection to ${hub.endpoint} was lost \\(.+\\) with 77 of ${weights.length} ` +
          'bytes downloaded: run again to go on from there$',
      ),
    );
  });

  it('starts over where the server ignores the range', async () => {
    await mkdir(join(cache, 'models--lab--tiny/blobs'), { recursive: true });
    await writeFile(part(), weights.subarray(0, 77));
    hub.interrupt = ({ host }, response) => host === 'storage' && !!response.writeHead(200).end(weights);
    const folder = await fetched('lab/tiny');
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
  });

  it('refuses content that is not what the hub announced, and keeps none of it', async () => {
    const changed = Buffer.from(weights);
    changed[changed.length - 1] ^= 1;
    hub.interrupt = ({ host }, response) => host === 'storage' && !!response.writeHead(200).end(changed);
    expect(await refusal('lab/tiny')).toBe(
      `model: model.safetensors of lab/tiny expected content with hash ${sha256(weights)}, got ${sha256(changed)}: ` +
        'something on the way changed it; run again',
    );
    hub.interrupt = () => false;
    expect(await readFile(join(await fetched('lab/tiny'), 'model.safetensors'))).toEqual(weights);
  });

  it('takes no more bytes than the hub announced', async () => {
    const endless = Buffer.concat([weights, Buffer.alloc(2 ** 20)]);
    hub.interrupt = ({ host }, response) => host === 'storage' && !!response.writeHead(200).end(endless);
    await fetched('lab/tiny').catch((error) => expect(error.message).toContain('it sent more than it announced'));
    for (const name of await readdir(join(cache, 'models--lab--tiny/blobs')))
      expect((await readFile(join(cache, 'models--lab--tiny/blobs', name))).length).toBeLessThanOrEqual(weights.length);
  });

  it('gives the same files to several that download at once', async () => {
    endAfter(Math.ceil(weights.length / 5));
    const folders = await Promise.all([fetched('lab/tiny'), fetched('lab/tiny'), fetched('lab/tiny')]);
    for (const folder of folders) expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    expect((await readdir(folders[0])).sort()).toEqual(Object.keys(model).sort());
  });

  it('ends when it is asked to stop, and comes to its end in the next run', async () => {
    const stop = new AbortController();
    hub.interrupt = ({ host }, response) => {
      if (host !== 'storage') return false;
      response.writeHead(200, { 'Content-Length': weights.length }).write(weights.subarray(0, 1000));
      setImmediate(() => stop.abort());
      return true;
    };
    await expect(fetched('lab/tiny', {}, stop.signal)).rejects.toThrow(stop.signal.reason);
    hub.interrupt = () => false;
    await fetched('lab/tiny');
  });

  it('names the cache where the disk refuses', async () => {
    await writeFile(join(cache, 'a-file'), '');
    const error = await fetched('lab/tiny', { cache: join(cache, 'a-file') }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(ResourceError);
    expect((error as Error).message).toMatch(/^model: could not be kept in .*a-file: ENOTDIR: .* with HF_HUB_CACHE$/);
  });
});

describe('a model that cannot be fetched', () => {
  it('is refused where the hub has no such repository', async () => {
    expect(await refusal('lab/tinny')).toBe(
      `model: lab/tinny is no folder here, and ${hub.endpoint} has no repository of that name (404): check the spelling`,
    );
  });

  it('is refused where the repository has no such revision', async () => {
    expect(await refusal('lab/tiny@v7')).toBe(
      `model: ${hub.endpoint}/lab/tiny has no branch, tag or commit v7: name one that is there after the @`,
    );
  });

  it('is refused with HF_TOKEN named where it is gated', async () => {
    expect(await refusal('lab/gated')).toBe(
      `model: ${hub.endpoint}/lab/gated expected a token (401): it is gated, private, or not there. Check the spelling, accept its ` +
        'terms on its page, and set HF_TOKEN',
    );
    expect(await refusal('lab/gated', { token: 'hf_other' })).toBe(
      `model: ${hub.endpoint}/lab/gated is gated or private, and the token that was sent may not read it (403): accept its terms on ` +
        'its page, and set HF_TOKEN to a token that may read it',
    );
  });

  it('is refused with the host named where there is no network', async () => {
    await hub.close();
    expect(await refusal('lab/tiny')).toMatch(
      new RegExp(
        `^model: lab/tiny is no folder here, and ${hub.endpoint} could not be reached \\(ECONNREFUSED.*\\): check the network, set ` +
          'HF_ENDPOINT to a mirror, or give the path of a folder that holds the model$',
      ),
    );
    hub = await openLocalHub({});
  });

  it('asks nothing where HF_HUB_OFFLINE is set', async () => {
    expect(await refusal('lab/tiny', { offline: true })).toContain(`not whole in ${cache}, and HF_HUB_OFFLINE is set`);
    expect(hub.requests).toEqual([]);
  });

  it.each([429, 503])('is put off where the hub answers %d', async (status) => {
    hub.interrupt = (_seen, response) => !!response.writeHead(status).end('no');
    expect(await refusal('lab/tiny')).toBe(
      `model: ${hub.endpoint}/lab/tiny answered ${status}: try again later; what is downloaded so far is kept, and a folder with the ` +
        'model can be given instead',
    );
  });

  it('is refused before any file is asked for where it has no safetensors', async () => {
    const { 'model.safetensors': _, ...rest } = model;
    hub.repositories['lab/old'] = { files: { ...rest, 'pytorch_model.bin': 'old' } };
    expect(await refusal('lab/old')).toBe(
      `model: ${hub.endpoint}/lab/old expected config.json, tokenizer.json and model.safetensors (or its index and shards), found no ` +
        'model.safetensors; it has config.json, tokenizer.json, tokenizer_config.json, pytorch_model.bin: name a repository in that ' +
        'form, or save the model with save_pretrained (transformers) and give the folder',
    );
    expect(hub.requests).toHaveLength(1);
  });

  it('is refused where it has no tokenizer.json', async () => {
    hub.repositories['lab/slow'] = { files: { ...tiny, 'tokenizer.model': 'sentencepiece' } };
    expect(await refusal('lab/slow')).toContain(
      'found no tokenizer.json; it has config.json, model.safetensors, tokenizer.model:',
    );
  });

  it('is refused where its index names a shard that is not there', async () => {
    const { [shardNames[1]]: _, ...rest } = sharded;
    hub.repositories['lab/torn'] = { files: { ...rest, ...tokenizer } };
    expect(await refusal('lab/torn')).toContain(`lab/torn has no ${shardNames[1]}, which its index names`);
  });

  it.each([
    ['<html>sign in</html>', 'text/html'],
    [JSON.stringify({ ...describeRepository({ files: model }), sha: '../../elsewhere' }), 'application/json'],
    [
      JSON.stringify(describeRepository({ files: model })).replace(/"blobId":"\w+"/, '"blobId":"../x"'),
      'application/json',
    ],
  ])('is refused where something other than the hub answers: %.30s', async (answer, type) => {
    hub.interrupt = (_seen, response) => !!response.writeHead(200, { 'Content-Type': type }).end(answer);
    expect(await refusal('lab/tiny')).toContain(`got something else (${type}): check HF_ENDPOINT, and whether a proxy`);
    expect(await readdir(cache)).toEqual([]);
  });

  it.each(['models/tiny/deep', '~/models/tiny', 'lab/tiny@', 'lab/..', 'lab/tiny@../../x', 'a b', ''])(
    'is refused where %j is neither a folder nor a hub id',
    async (id) => {
      expect(await refusal(id)).toBe(
        `model: expected a folder, or a hub id such as HuggingFaceTB/SmolLM2-135M, got ${id}: no folder of that name is there (paths are ` +
          'relative to the configuration file)',
      );
      expect(hub.requests).toEqual([]);
    },
  );
});

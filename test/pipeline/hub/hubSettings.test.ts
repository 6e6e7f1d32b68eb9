import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hubSettings } from '../../../pipeline/hub/hubSettings.ts';
import { UsageError } from '../../../schemas/errors.ts';

const noToken = { HF_TOKEN_PATH: '/absent' };

describe('hubSettings', () => {
  it('are those of Python where nothing is set', async () => {
    expect(await hubSettings(noToken)).toEqual({
      endpoint: 'https://huggingface.co',
      token: null,
      cache: join(homedir(), '.cache/huggingface/hub'),
      offline: false,
    });
  });

  it.each([
    [{ HF_HUB_CACHE: '/a', HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c', XDG_CACHE_HOME: '/d' }, '/a'],
    [{ HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c', XDG_CACHE_HOME: '/d' }, '/b'],
    [{ HF_HOME: '/c', XDG_CACHE_HOME: '/d' }, '/c/hub'],
    [{ XDG_CACHE_HOME: '/d' }, '/d/huggingface/hub'],
    [{ HF_HUB_CACHE: '', HF_HOME: '~/hf' }, join(homedir(), 'hf/hub')],
  ])('find the cache as Python does: %j', async (env, cache) => {
    expect((await hubSettings({ ...noToken, ...env })).cache).toBe(cache);
  });

  it('read the token from HF_TOKEN, else from the file that a login writes', async () => {
    const home = await mkdtemp(join(tmpdir(), 'headwater-hub-'));
    onTestFinished(() => rm(home, { recursive: true }));
    await writeFile(join(home, 'token'), 'hf_file\n');
    expect((await hubSettings({ HF_HOME: home })).token).toBe('hf_file');
    expect((await hubSettings({ HF_HOME: home, HF_TOKEN: 'hf_given' })).token).toBe('hf_given');
  });

  it('take a mirror, with or without a slash at its end', async () => {
    for (const HF_ENDPOINT of ['https://mirror.example/hf', 'https://mirror.example/hf/'])
      expect((await hubSettings({ ...noToken, HF_ENDPOINT })).endpoint).toBe('https://mirror.example/hf');
  });

  it('refuse an endpoint that is no web address', async () => {
    for (const HF_ENDPOINT of ['mirror.example', 'file:///etc', 'https://'])
      await expect(hubSettings({ ...noToken, HF_ENDPOINT })).rejects.toThrow(
        new UsageError(`HF_ENDPOINT expected a web address such as https://huggingface.co, got ${HF_ENDPOINT}`),
      );
  });

  it('know when the network is not to be used', async () => {
    for (const HF_HUB_OFFLINE of ['1', 'TRUE', 'yes'])
      expect((await hubSettings({ ...noToken, HF_HUB_OFFLINE })).offline).toBe(true);
    expect((await hubSettings({ ...noToken, HF_HUB_OFFLINE: '0' })).offline).toBe(false);
  });
});

/** Where the Hugging Face hub is, who asks, and where its files are kept: the environment variables that Python's huggingface_hub reads. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { printableLine } from '../../operators/report/printableText.ts';
import { UsageError } from '../../schemas/errors.ts';

export interface HubSettings {
  /** Without a slash at its end. */
  endpoint: string;
  token: string | null;
  /** The folder that Python's cache is in too. */
  cache: string;
  /** Nothing may be asked of the network. */
  offline: boolean;
}

/** Throws UsageError where HF_ENDPOINT is no web address. */
export async function hubSettings(env: NodeJS.ProcessEnv = process.env): Promise<HubSettings> {
  const home = inHome(env.HF_HOME || join(env.XDG_CACHE_HOME || '~/.cache', 'huggingface'));
  const tokenFile = inHome(env.HF_TOKEN_PATH || join(home, 'token')); // where `hf auth login` puts it
  return {
    endpoint: webAddress(env.HF_ENDPOINT || 'https://huggingface.co'),
    token:
      (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || (await readFile(tokenFile, 'utf8').catch(() => ''))).trim() ||
      null,
    cache: inHome(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, 'hub')),
    offline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE || ''),
  };
}

const inHome = (path: string): string => path.replace(/^~(?=[/\\]|$)/, homedir());

function webAddress(text: string): string {
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  throw new UsageError(`HF_ENDPOINT expected a web address such as https://huggingface.co, got ${printableLine(text)}`);
}

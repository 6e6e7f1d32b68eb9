import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadTokenizer } from '../../../operators/tokens/loadTokenizer.ts';
import { InputError } from '../../../schemas/errors.ts';

const goldens = fileURLToPath(new URL('../../goldens/tokens/', import.meta.url));
const readJson = async (...path: string[]) => JSON.parse(await readFile(join(goldens, ...path), 'utf8'));
const strings: { name: string; text: string }[] = await readJson('strings.json');
const kinds = ['smollm2', 'lacking-bytes', 'prefix-space', 'llama3', 'qwen2', 'llama2', 'metaspace'];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
  await cp(join(goldens, 'llama2'), folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

async function edit(name: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(join(folder, name), 'utf8'));
  change(json);
  await writeFile(join(folder, name), JSON.stringify(json));
}

describe('loadTokenizer', () => {
  test.each(kinds)('gives the ids of the Rust tokenizers on awkward strings: %s', async (kind) => {
    const tokenizer = await loadTokenizer(join(goldens, kind));
    const { prefix, ids } = await readJson(kind, 'ids.json');
    expect(tokenizer.prefix).toEqual(prefix);
    expect(tokenizer.suffix).toEqual([]);
    strings.forEach(({ name, text }, i) => {
      expect(tokenizer.encodeCompletion(text), name).toEqual(ids[i]);
      expect(tokenizer.encode(text), name).toEqual([...prefix, ...ids[i]]);
    });
  });

  test('gives them with every normalizer and pre-tokenizer it accepts', async () => {
    await cp(join(goldens, 'smollm2'), folder, { recursive: true, force: true });
    for (const { name, normalizer, pre_tokenizer, digests } of await readJson('variants.json')) {
      await edit('tokenizer.json', (json) => Object.assign(json, { normalizer, pre_tokenizer }));
      const tokenizer = await loadTokenizer(folder);
      strings.forEach((string, i) => {
        const ids = JSON.stringify(tokenizer.encodeCompletion(string.text));
        const digest = createHash('sha256').update(ids).digest('hex').slice(0, 12);
        expect(digest, `${name}: ${string.name}`).toBe(digests[i]);
      });
    }
  });

  test('decodes what it encodes, spaces before punctuation included', async () => {
    for (const kind of ['smollm2', 'llama3', 'llama2']) {
      const tokenizer = await loadTokenizer(join(goldens, kind));
      for (const text of ['Hello , world ! It is n\'t "so" .', '今天 😀 été', 'a\n\tb'])
        expect(tokenizer.decode(tokenizer.encodeCompletion(text)), kind).toBe(text);
      expect(tokenizer.decode([])).toBe('');
    }
  });

  test('takes lone surrogates for the replacement character', async () => {
    const tokenizer = await loadTokenizer(join(goldens, 'smollm2'));
    expect(tokenizer.encode('a\ud800b')).toEqual(tokenizer.encode('a\ufffdb'));
  });

  test('finds special tokens around a text', async () => {
    await edit('tokenizer.json', (json) => {
      const single = (json.post_processor as { single: unknown[] }).single;
      single.push({ SpecialToken: { id: '</s>', type_id: 0 } });
    });
    const tokenizer = await loadTokenizer(folder);
    expect([tokenizer.prefix, tokenizer.suffix]).toEqual([[1], [2]]);
    expect(tokenizer.encode('')).toEqual([1, 2]);
  });

  test('changes its fingerprint with tokenizer.json and with the chat template only', async () => {
    const fingerprint = async () => (await loadTokenizer(folder)).fingerprint;
    const first = await fingerprint();
    await writeFile(join(folder, 'tokenizer_config.json'), '{"model_max_length": 5}');
    expect(await fingerprint()).toBe(first);
    await writeFile(join(folder, 'chat_template.jinja'), 'x');
    const second = await fingerprint();
    expect(second).not.toBe(first);
    await edit('tokenizer.json', (json) => Object.assign(json, { version: '1.1' }));
    expect(await fingerprint()).not.toBe(second);
  });

  test('renders a prompt through chat_template.jinja, or the template in tokenizer_config.json', async () => {
    const template =
      "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    await writeFile(join(folder, 'chat_template.jinja'), template);
    expect((await loadTokenizer(folder)).renderChat('Hi')).toBe('<s>[user]Hi[assistant]');
    await rm(join(folder, 'chat_template.jinja'));
    const others = { bos_token: { content: '<s>' }, chat_template: [{ name: 'default', template }] };
    await edit('tokenizer_config.json', (json) => Object.assign(json, others));
    expect((await loadTokenizer(folder)).renderChat('Hi')).toBe('<s>[user]Hi[assistant]');
  });

  test('says what to do without a chat template', async () => {
    const tokenizer = await loadTokenizer(folder);
    expect(() => tokenizer.renderChat('Hi')).toThrow(
      /expected chat_template\.jinja, or "chat_template" .* found neither: .*chatTemplate: false/,
    );
    expect(() => tokenizer.renderChat('Hi')).toThrow(InputError);
  });

  test('names a chat template that fails', async () => {
    await writeFile(join(folder, 'chat_template.jinja'), "{{ raise_exception('no') }}");
    const tokenizer = await loadTokenizer(folder);
    expect(() => tokenizer.renderChat('Hi')).toThrow(/the chat template of .* failed/);
  });

  test('works without tokenizer_config.json, and names a missing tokenizer.json', async () => {
    await rm(join(folder, 'tokenizer_config.json'));
    expect((await loadTokenizer(folder)).prefix).toEqual([1]);
    await rm(join(folder, 'tokenizer.json'));
    await expect(loadTokenizer(folder)).rejects.toThrow(/expected tokenizer\.json in .*ENOENT.*save_pretrained/);
    await expect(loadTokenizer(folder)).rejects.toBeInstanceOf(InputError);
  });

  test.each([
    ['a file that is not JSON', 'not json', /expected JSON in .*tokenizer\.json/],
    ['a file that is a list', '[1, 2]', /expected a JSON object in .*tokenizer\.json, found \[1, 2\]/],
    ['a tokenizer without a model', '{}', /expected a model of type BPE in .*tokenizer\.json, found none/],
  ])('refuses %s', async (_title, text, message) => {
    await writeFile(join(folder, 'tokenizer.json'), text);
    await expect(loadTokenizer(folder)).rejects.toThrow(message);
  });

  test.each([
    ['normalizer', { type: 'Precompiled' }, /expected a normalizer among .* found Precompiled: its ids would not be/],
    ['pre_tokenizer', { type: 'UnicodeScripts' }, /expected a pre-tokenizer among .* found UnicodeScripts/],
    ['pre_tokenizer', { type: 'constructor' }, /expected a pre-tokenizer among .* found constructor/],
    ['model', { type: 'Unigram', vocab: [] }, /expected a model of type BPE .* found Unigram/],
    ['model', { type: 'BPE', dropout: 0.1 }, /expected no dropout .* found 0.1/],
    ['model', { type: 'BPE' }, /could not use .*tokenizer\.json/],
  ])('refuses a %s whose ids it cannot make equal', async (key, value, message) => {
    await edit('tokenizer.json', (json) => Object.assign(json, { [key]: value }));
    await expect(loadTokenizer(folder)).rejects.toThrow(message);
    await expect(loadTokenizer(folder)).rejects.toBeInstanceOf(InputError);
  });

  test('refuses a split it cannot compute', async () => {
    const pre_tokenizer = { type: 'Split', pattern: { Regex: 'a+' }, behavior: 'MergedWithNext', invert: false };
    await edit('tokenizer.json', (json) => Object.assign(json, { pre_tokenizer }));
    await expect(loadTokenizer(folder)).rejects.toThrow(/expected a Split that is .* found MergedWithNext/);
  });
});

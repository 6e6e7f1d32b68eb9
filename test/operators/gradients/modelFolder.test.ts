import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { matchModules, readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { readTensor } from '../../../operators/gradients/safetensors.ts';

const goldens = fileURLToPath(new URL('../../goldens/gradients/', import.meta.url));

describe('readModelFolder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'model-'));
    await cp(join(goldens, 'mha-untied'), folder, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('opens every golden model, one file or three shards, in all three precisions', async () => {
    const names = (await readdir(goldens, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    for (const { name } of names) {
      const { config, tensors } = await readModelFolder(join(goldens, name));
      expect(config.architectures, name).toEqual(['LlamaForCausalLM']);
      const embedding = tensors.get('model.embed_tokens.weight')!;
      expect(embedding.shape, name).toEqual([64, 16]);
      expect((await readTensor(embedding)).every(Number.isFinite), name).toBe(true);
    }
    expect(names.length).toBeGreaterThanOrEqual(11);
  });

  test('keeps its fingerprint when config.json is only reordered, and loses it when a weight or a setting changes', async () => {
    const fingerprint = async () => (await readModelFolder(folder)).fingerprint();
    const first = await fingerprint();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    const file = join(folder, 'config.json');
    const config = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify(Object.fromEntries(Object.entries(config).reverse())));
    expect(await fingerprint()).toBe(first);
    await writeFile(file, JSON.stringify({ ...config, rms_norm_eps: 1e-6 }));
    expect(await fingerprint()).not.toBe(first);
    await writeFile(file, JSON.stringify(config));
    const weights = await readFile(join(folder, 'model.safetensors'));
    weights[weights.length - 1] ^= 1;
    await writeFile(join(folder, 'model.safetensors'), weights);
    expect(await fingerprint()).not.toBe(first);
  });

  test('says what a model folder needs when config.json is missing', async () => {
    await rm(join(folder, 'config.json'));
    await expect(readModelFolder(folder)).rejects.toThrow(
      /expected a Hugging Face model folder at .*config\.json, model\.safetensors .*tokenizer\.json; config\.json could not be read/,
    );
    await expect(readModelFolder(folder)).rejects.toMatchObject({ exitCode: 3 });
  });

  test('says that weights are missing', async () => {
    await rm(join(folder, 'model.safetensors'));
    await rm(join(folder, 'golden.safetensors'));
    await expect(readModelFolder(folder)).rejects.toThrow(/found no \*\.safetensors file/);
  });

  test.each([
    ['not JSON', '{', /expected JSON in .*config\.json/],
    ['a list', '[1]', /expected a JSON object in .*config\.json, found \[1\]/],
    ['without architectures', '{}', /expected "architectures".*found undefined/],
    ['with empty architectures', '{"architectures":[]}', /expected "architectures".*found \[\]/],
  ])('refuses a config.json that is %s', async (_title, text, message) => {
    await writeFile(join(folder, 'config.json'), text);
    await expect(readModelFolder(folder)).rejects.toThrow(message);
  });
});

describe('matchModules', () => {
  const names = [0, 1].flatMap((layer) =>
    ['self_attn.q_proj', 'self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'].map(
      (name) => `model.layers.${layer}.${name}`,
    ),
  );

  test('matches *.mlp.* against full names, dots included, in the order of the model', () => {
    expect(matchModules(['*.mlp.*'], names)).toEqual(names.filter((name) => name.includes('mlp')));
  });

  test('gives each layer once when globs overlap', () => {
    expect(matchModules(['*.down_proj', '*.0.mlp.*', '*down*'], names)).toEqual([
      ...names.slice(2, 5),
      'model.layers.1.mlp.down_proj',
    ]);
  });

  test('takes a full name as it stands, and no dot for any character', () => {
    expect(matchModules(['model.layers.0.self_attn.q_proj'], names)).toEqual([names[0]]);
    expect(() => matchModules(['model_layers*'], names)).toThrow(/matches none/);
    expect(() => matchModules(['mlp'], names)).toThrow(/matches none/);
  });

  test('lists the nearest names, layer numbers aside, when a glob matches nothing', () => {
    expect(() => matchModules(['*.mlp.*', '*.mlp.gate'], names)).toThrow(
      /"\*\.mlp\.gate" matches none of the model's 10 linear layers. They are model\.layers\.\*\.mlp\.gate_proj, /,
    );
  });
});

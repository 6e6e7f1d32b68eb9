import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readModelFolder } from '../../../../operators/gradients/modelFolder.ts';
import { coverModules } from '../../../../operators/gradients/tappedGraph.ts';
import { InputError } from '../../../../schemas/errors.ts';

const goldens = new URL('../../../goldens/gradients/', import.meta.url).pathname;
const scratch = await mkdtemp(join(tmpdir(), 'headwater-models-'));
afterAll(() => rm(scratch, { recursive: true }));
let made = 0;

/** A copy of a golden model whose config.json says something else. */
async function withConfig(change: Record<string, unknown>, golden = 'mha-untied') {
  const path = join(scratch, `model-${made++}`);
  await cp(join(goldens, golden), path, { recursive: true });
  const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
  await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, ...change }));
  return readModelFolder(path);
}

const settings = { modules: ['*.mlp.*'], contextTokens: 32, batchTokens: 64 };

describe('a model folder that does not fit its configuration', () => {
  const cases: [string, Record<string, unknown>, RegExp][] = [
    [
      'an unknown architecture',
      { architectures: ['MambaForCausalLM'] },
      /expected one of the architectures LlamaForCausalLM, found MambaForCausalLM/,
    ],
    [
      'a layer whose tensors are missing',
      { num_hidden_layers: 3 },
      /expected a tensor model\.layers\.2\.\S+ of shape \(\S+\), found none/,
    ],
    [
      'a tensor of another shape',
      { intermediate_size: 40 },
      /expected model\.layers\.0\.mlp\.gate_proj\.weight to have shape \(40,16\), found \(24,16\)/,
    ],
    [
      'tensors that the configuration has no place for',
      { num_hidden_layers: 1 },
      /expected every tensor to belong to the architecture, found 9 that do not: model\.layers\.1\./,
    ],
    [
      'a bias that the configuration promises',
      { mlp_bias: true },
      /expected a tensor model\.layers\.0\.mlp\.gate_proj\.bias/,
    ],
    ['another activation', { hidden_act: 'gelu' }, /expected hidden_act to be one of silu, found "gelu"/],
    [
      'another rope',
      { rope_parameters: { rope_type: 'yarn', rope_theta: 10000 } },
      /rope_parameters: expected rope_type to be one of default, linear, llama3, found "yarn"/,
    ],
    [
      'heads that cannot be grouped',
      { num_key_value_heads: 3 },
      /expected num_attention_heads to be a multiple of num_key_value_heads, found 4 and 3/,
    ],
    ['a size that is no number', { hidden_size: 'wide' }, /expected hidden_size to be a whole number, found "wide"/],
    [
      'a context that is too short',
      { max_position_embeddings: 16 },
      /contextTokens: expected at most the model's max_position_embeddings of 16, got 32/,
    ],
  ];
  it.each(cases)('is refused for %s', async (_name, change, message) => {
    const folder = await withConfig(change);
    expect(() => coverModules(folder, settings)).toThrow(InputError);
    expect(() => coverModules(folder, settings)).toThrow(message);
  });
});

describe('coverModules', () => {
  it('counts the tracked parameters, and those of the whole model', async () => {
    const folder = await withConfig({});
    const coverage = coverModules(folder, settings);
    expect(coverage.modules).toHaveLength(6);
    expect(coverage.untracked).toHaveLength(8);
    expect(coverage.trackedParameters).toBe(2 * 3 * 24 * 16);
    expect(coverage.parameters).toBe(2 * (3 * 24 * 16 + 4 * 16 * 16 + 2 * 16) + 2 * 64 * 16 + 16);
  });

  it('refuses a glob that matches no layer', async () => {
    const folder = await withConfig({});
    expect(() => coverModules(folder, { ...settings, modules: ['*.experts.*'] })).toThrow('matches none of the model');
  });
});

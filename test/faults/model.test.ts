import { cp, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { bundledModel, command, smallFolder, writeWorld } from '../pipeline/smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** Rewrites the header of a safetensors file over the same numbers. */
async function changeHeader(model: string, change: (header: Header) => void): Promise<void> {
  const path = join(model, 'model.safetensors');
  const data = await readFile(path);
  const length = Number(data.readBigUInt64LE(0));
  const header = JSON.parse(data.subarray(8, 8 + length).toString()) as Header;
  change(header);
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  await writeFile(path, Buffer.concat([prefix, json, data.subarray(8 + length)]));
}

async function changeConfig(model: string, change: object): Promise<void> {
  const path = join(model, 'config.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...change }));
}

const gate = 'model.layers.0.mlp.gate_proj.weight';

describe('a model folder', () => {
  const faults: [string, (model: string) => Promise<void>, RegExp][] = [
    [
      'that lacks a tensor',
      (model) =>
        changeHeader(model, (header) => {
          header['model.layers.0.mlp.other.weight'] = header[gate];
          delete header[gate];
        }),
      /expected a tensor model\.layers\.0\.mlp\.gate_proj\.weight of shape \(\d+,\d+\), found none/,
    ],
    [
      'whose tensor has another shape',
      (model) =>
        changeHeader(model, (header) => {
          header[gate].shape.reverse();
        }),
      /expected model\.layers\.0\.mlp\.gate_proj\.weight to have shape \(352,128\), found \(128,352\) in .*model\.safetensors/,
    ],
    [
      'with a truncated safetensors file',
      async (model) => truncate(join(model, 'model.safetensors'), 100_000),
      /expected tensor \S+ of .*model\.safetensors to end at byte \d+, found a file of 100000 bytes/,
    ],
    [
      'of an unknown architecture',
      (model) => changeConfig(model, { architectures: ['MambaForCausalLM'] }),
      /config\.json: expected one of the architectures LlamaForCausalLM.*, found MambaForCausalLM/,
    ],
    [
      'of more layers than it has tensors for',
      (model) => changeConfig(model, { num_hidden_layers: 9 }),
      /expected a tensor model\.layers\.4\.\S+ of shape \(\S+\), found none/,
    ],
    ['with a broken tokenizer', async (model) => writeFile(join(model, 'tokenizer.json'), '{'), /tokenizer\.json/],
  ];
  it.each(faults)(
    '%s ends the run with exit 3, what was expected and what was found',
    async (_name, spoil, message) => {
      const folder = await smallFolder();
      const model = join(folder, 'model');
      await cp(bundledModel, model, { recursive: true });
      await spoil(model);
      const failed = await command('run', await writeWorld(folder, { model }), '--quiet');
      expect(failed.stderr).toMatch(message);
      expect(failed.stderr).not.toContain('    at ');
      expect(failed.exitCode).toBe(3);
    },
  );
});

/** A random Llama of one layer, wide enough for covariances of several tiles. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomNumbers, streamOf } from '../../../operators/gradients/counterRandom.ts';
import { type ModelFolder, readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { writeSafetensors } from '../../../operators/gradients/safetensors.ts';

/** Hidden width 8, the MLP `intermediate` wide, 32 tokens of vocabulary. */
export async function randomLlama(path: string, intermediate: number): Promise<ModelFolder> {
  const [hidden, vocabulary] = [8, 32];
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: intermediate,
    max_position_embeddings: 64,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    num_hidden_layers: 1,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: false,
    vocab_size: vocabulary,
  };
  const layer = (name: string, ...shape: number[]): [string, number[]] => [`model.layers.0.${name}.weight`, shape];
  const shapes = new Map<string, number[]>([
    ['model.embed_tokens.weight', [vocabulary, hidden]],
    ['lm_head.weight', [vocabulary, hidden]],
    ['model.norm.weight', [hidden]],
    layer('input_layernorm', hidden),
    layer('post_attention_layernorm', hidden),
    ...['q', 'k', 'v', 'o'].map((name) => layer(`self_attn.${name}_proj`, hidden, hidden)),
    layer('mlp.gate_proj', intermediate, hidden),
    layer('mlp.up_proj', intermediate, hidden),
    layer('mlp.down_proj', hidden, intermediate),
  ]);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'config.json'), JSON.stringify(config));
  const tensors = [...shapes].map(([name, shape]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const pieces = [randomNumbers(0, streamOf(name), count, 'normal', 0.5)];
    return { name, dtype: 'F32', shape, pieces } as const;
  });
  await writeSafetensors(join(path, 'model.safetensors'), {}, tensors);
  return readModelFolder(path);
}

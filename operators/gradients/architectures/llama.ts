/** The Llama family: rotary positions, RMSNorm before each block, grouped-query attention, gated SiLU in the MLP. */
import { InputError } from '../../../schemas/errors.ts';
import { product, type Tensor } from '../graph/tensorGraph.ts';
import type { Architecture, ForwardGraph } from './forwardGraph.ts';
import { rotaryFrequencies, rotaryTables } from './rotary.ts';

export const llama: Architecture = {
  names: ['LlamaForCausalLM'],
  build(model) {
    const { graph, config } = model;
    const size = sizes(model);
    const embedding = model.weight('model.embed_tokens.weight', [config.integer('vocab_size'), size.hidden]);
    const rope = rotary(model, size.width);
    const mask = graph.repeatRows(model.mask, size.heads / size.keyHeads);
    const epsilon = config.number('rms_norm_eps', 1e-6);
    const norm = (x: Tensor, name: string) => graph.rmsNorm(x, model.weight(name, [size.hidden]), epsilon);

    let x = graph.reshape(graph.gather(embedding, model.ids), ['B*T', size.hidden]);
    for (let layer = 0; layer < config.integer('num_hidden_layers'); layer++) {
      const at = `model.layers.${layer}`;
      x = graph.add(x, attention(model, `${at}.self_attn`, norm(x, `${at}.input_layernorm.weight`), size, rope, mask));
      x = graph.add(x, mlp(model, `${at}.mlp`, norm(x, `${at}.post_attention_layernorm.weight`)));
    }
    const tied = config.flag('tie_word_embeddings', false);
    const head = tied ? embedding : model.weight('lm_head.weight', [config.integer('vocab_size'), size.hidden]);
    const hidden = norm(x, 'model.norm.weight');
    model.expectAllUsed((name) => name.endsWith('rotary_emb.inv_freq') || (tied && name === 'lm_head.weight'));
    return { hidden, head };
  },
};

type Sizes = ReturnType<typeof sizes>;

function sizes({ config }: ForwardGraph) {
  const hidden = config.integer('hidden_size');
  const heads = config.integer('num_attention_heads');
  const keyHeads = config.integer('num_key_value_heads', heads);
  if (heads % keyHeads !== 0)
    throw new InputError(
      `model: expected num_attention_heads to be a multiple of num_key_value_heads, found ${heads} and ${keyHeads}`,
    );
  return { hidden, heads, keyHeads, width: config.integer('head_dim', hidden / heads) };
}

interface Rope {
  cos: Tensor;
  sin: Tensor;
}

function rotary({ graph, config, context }: ForwardGraph, width: number): Rope {
  const { cos, sin } = rotaryTables(rotaryFrequencies(config, width), context);
  return {
    cos: graph.constant('rotary_cos', [context, width / 2], cos),
    sin: graph.constant('rotary_sin', [context, width / 2], sin),
  };
}

/** Grouped-query attention: the G query heads of a key head are stacked along its rows, so that keys are never repeated. */
function attention(model: ForwardGraph, at: string, x: Tensor, size: Sizes, rope: Rope, mask: Tensor): Tensor {
  const { graph, config } = model;
  const { heads, keyHeads, width } = size;
  const groups = heads / keyHeads;
  const bias = config.flag('attention_bias', false);
  const project = (name: string, count: number) =>
    graph.reshape(model.linear(`${at}.${name}`, x, count * width, bias), ['B', 'T', count * width]);
  const turn = (y: Tensor) => graph.rotary(y, model.positions, rope.cos, rope.sin);
  const byKeyHead = (y: Tensor) => graph.transpose(graph.reshape(y, ['B', 'T', keyHeads, width]), [0, 2, 1, 3]);

  const grouped = graph.reshape(turn(project('q_proj', heads)), ['B', 'T', keyHeads, groups, width]);
  const q = graph.reshape(graph.transpose(grouped, [0, 2, 3, 1, 4]), ['B', keyHeads, product([groups, 'T']), width]);
  const k = byKeyHead(turn(project('k_proj', keyHeads)));
  const v = byKeyHead(project('v_proj', keyHeads));
  const mixed = model.attention(q, k, v, mask, width ** -0.5);
  const ungrouped = graph.transpose(graph.reshape(mixed, ['B', keyHeads, groups, 'T', width]), [0, 3, 1, 2, 4]);
  return model.linear(`${at}.o_proj`, graph.reshape(ungrouped, ['B*T', heads * width]), size.hidden, bias);
}

function mlp(model: ForwardGraph, at: string, x: Tensor): Tensor {
  const { graph, config } = model;
  config.oneOf('hidden_act', ['silu'], 'silu');
  const bias = config.flag('mlp_bias', false);
  const wide = config.integer('intermediate_size');
  const gate = graph.silu(model.linear(`${at}.gate_proj`, x, wide, bias));
  const up = model.linear(`${at}.up_proj`, x, wide, bias);
  return model.linear(`${at}.down_proj`, graph.mul(gate, up), config.integer('hidden_size'), bias);
}

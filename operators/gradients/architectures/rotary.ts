/** Rotary position embedding: the frequencies that a configuration asks for, and their tables of cosines and sines. */
import type { ModelConfig } from './modelConfig.ts';

/** How each rope type scales the frequencies; one row a type, as transformers 5.23 `modeling_rope_utils.py` computes them. */
const scalings = {
  default: (frequencies: number[]) => frequencies,
  linear: (frequencies: number[], rope: ModelConfig) => frequencies.map((f) => f / rope.number('factor')),
  llama3: scaleLlama3,
};
const ropeTypes = Object.keys(scalings) as (keyof typeof scalings)[];

/**
 * The `width / 2` angular frequencies, radians per position. Reads `rope_parameters` (transformers 5), or `rope_theta` and
 * `rope_scaling` (before). Throws InputError for a rope type that is not supported.
 */
export function rotaryFrequencies(config: ModelConfig, width: number): Float64Array {
  const rope = ropeSettings(config);
  const theta = rope.number('rope_theta', 10_000);
  const plain = Array.from({ length: width / 2 }, (_, i) => theta ** ((-2 * i) / width));
  return Float64Array.from(scalings[rope.oneOf('rope_type', ropeTypes, 'default')](plain, rope));
}

function ropeSettings(config: ModelConfig): ModelConfig {
  if (config.has('rope_parameters')) return config.object('rope_parameters');
  const scaling = config.object('rope_scaling');
  // `type` is the older spelling of `rope_type`.
  const type = scaling.get('rope_type') ?? scaling.get('type') ?? 'default';
  return scaling.with({ rope_type: type, rope_theta: config.get('rope_theta') });
}

/** Llama 3.1: long wavelengths are divided by `factor`, short ones kept, those between interpolated smoothly. */
function scaleLlama3(frequencies: number[], rope: ModelConfig): number[] {
  const factor = rope.number('factor');
  const low = rope.number('low_freq_factor');
  const high = rope.number('high_freq_factor');
  const context = rope.number('original_max_position_embeddings');
  return frequencies.map((f) => {
    const turns = (context * f) / (2 * Math.PI);
    if (turns < low) return f / factor;
    if (turns > high) return f;
    const smooth = (turns - low) / (high - low);
    return ((1 - smooth) * f) / factor + smooth * f;
  });
}

/** cos and sin of position × frequency, each (context, width / 2). */
export function rotaryTables(frequencies: Float64Array, context: number): { cos: Float32Array; sin: Float32Array } {
  const half = frequencies.length;
  const cos = new Float32Array(context * half);
  const sin = new Float32Array(context * half);
  for (let t = 0; t < context; t++)
    for (let i = 0; i < half; i++) {
      cos[t * half + i] = Math.cos(t * frequencies[i]);
      sin[t * half + i] = Math.sin(t * frequencies[i]);
    }
  return { cos, sin };
}

/** What an architecture file builds its forward pass with: weights checked against the folder, linear layers that can be tapped. */
import { InputError } from '../../../schemas/errors.ts';
import { type External, type Tensor, TensorGraph } from '../graph/tensorGraph.ts';
import type { TensorIndex } from '../safetensors.ts';
import type { ModelConfig } from './modelConfig.ts';

/** A linear layer of the model: where its input a (N,I) and its output (N,O) are in the graph. */
export interface Linear {
  name: string;
  input: Tensor;
  output: Tensor;
  inputs: number;
  outputs: number;
  bias: boolean;
}

/** A model family: how its forward pass is built up to the last hidden state and the head that makes logits of it. */
export interface Architecture {
  /** The names in config.json's `architectures` that it serves. */
  names: readonly string[];
  build(model: ForwardGraph): { hidden: Tensor; head: Tensor };
}

/** The keys and values that one attention keeps of each token: K heads of D numbers. */
export interface CachedHeads {
  heads: number;
  width: number;
}

/**
 * What a forward graph reads: whole texts that begin at position 0, or a decoding step's new tokens, whose keys and values stand
 * behind those of earlier steps.
 */
export type Reading = 'texts' | 'steps';

export class ForwardGraph {
  readonly graph = new TensorGraph();
  readonly linears: Linear[] = [];
  /** One entry for each attention of a graph that reads steps, in order. */
  readonly cached: CachedHeads[] = [];
  readonly config: ModelConfig;
  /** Longest window, tokens. */
  readonly context: number;
  /** (B,T) token ids. */
  readonly ids: Tensor;
  /** (T,T), in steps (B,1,T,P+T) for P earlier tokens: 0 where token t may look at token s, very negative elsewhere. */
  readonly mask: Tensor;
  /** Where rotary positions begin, (1), the others follow; in steps the position of each token, (B,T). */
  readonly positions: Tensor;
  private readonly reading: Reading;
  private readonly tensors: TensorIndex;
  private readonly layout: Map<string, External>;
  private readonly known = new Map<string, Tensor>();

  constructor(
    config: ModelConfig,
    tensors: TensorIndex,
    layout: Map<string, External>,
    context: number,
    reading: Reading = 'texts',
  ) {
    this.config = config;
    this.tensors = tensors;
    this.layout = layout;
    this.context = context;
    this.reading = reading;
    const { graph } = this;
    const steps = reading === 'steps';
    this.ids = graph.input('ids', ['B', 'T'], 'int64');
    this.mask = graph.input('mask', steps ? ['B', 1, 'T', 'P+T'] : ['T', 'T']);
    this.positions = steps
      ? graph.input('positions', ['B', 'T'], 'int64')
      : graph.constant('first_position', [1], BigInt64Array.of(0n));
  }

  /** The weight of that name; throws InputError where the folder lacks it or holds another shape. */
  weight(name: string, shape: readonly number[]): Tensor {
    const made = this.known.get(name);
    if (made) return made;
    const entry = this.tensors.get(name);
    if (!entry) throw new InputError(`model: expected a tensor ${name} of shape (${shape}), found none`);
    if (String(entry.shape) !== String(shape))
      throw new InputError(`model: expected ${name} to have shape (${shape}), found (${entry.shape}) in ${entry.file}`);
    const tensor = this.graph.weight(name, shape, this.layout.get(name) as External);
    this.known.set(name, tensor);
    return tensor;
  }

  /** The linear layer `name` (its `.weight` (O,I), and `.bias` (O) if `bias`) applied to x (N,I); it can be tapped. */
  linear(name: string, x: Tensor, outputs: number, bias: boolean): Tensor {
    const inputs = x.shape[1] as number;
    const weight = this.weight(`${name}.weight`, [outputs, inputs]);
    const output = this.graph.linear(x, weight, bias ? this.weight(`${name}.bias`, [outputs]) : undefined);
    this.linears.push({ name, input: x, output, inputs, outputs, bias });
    return output;
  }

  /**
   * softmax(scale · q kᵀ + mask) v, as `TensorGraph.attention`; k and v are (B,K,T,D). In steps the input `past_keys_<i>` (B,K,P,D) of
   * the i-th attention comes before k, which is the output `keys_<i>`; the same holds for `values`.
   */
  attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: number): Tensor {
    if (this.reading === 'texts') return this.graph.attention(q, k, v, mask, scale);
    const keys = this.behindPast('keys', k);
    const values = this.behindPast('values', v);
    this.cached.push({ heads: k.shape[1] as number, width: k.shape[3] as number });
    return this.graph.attention(q, keys, values, mask, scale);
  }

  private behindPast(kind: string, fresh: Tensor): Tensor {
    const name = `${kind}_${this.cached.length}`;
    const [batch, heads, , width] = fresh.shape;
    const past = this.graph.input(`past_${name}`, [batch, heads, 'P', width]);
    this.graph.output(name, fresh);
    return this.graph.under(past, fresh);
  }

  /** Throws InputError for weights that the architecture did not use: the numbers would be those of another model. */
  expectAllUsed(ignored: (name: string) => boolean): void {
    const unused = [...this.tensors.keys()].filter((name) => !this.known.has(name) && !ignored(name));
    if (unused.length > 0)
      throw new InputError(
        `model: expected every tensor to belong to the architecture, found ${unused.length} that do not: ` +
          `${unused.slice(0, 5).join(', ')}${unused.length > 5 ? ', …' : ''}. Is config.json the one of these weights?`,
      );
  }
}

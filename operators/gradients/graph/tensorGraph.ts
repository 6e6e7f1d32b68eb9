/** A small typed language for tensor computations: nodes of named ops over tensors with symbolic shapes. Nothing is computed here. */

/** A dimension: a number, or a product of a number with B (documents) and T (tokens), written `B`, `T`, `B*T`, `3*T`; a sum is `P+T`. */
export type Dim = number | string;
export type DType = 'float32' | 'int64';

export interface Tensor {
  readonly id: number;
  readonly name: string;
  readonly shape: readonly Dim[];
  readonly dtype: DType;
  /** The node that yields it and which of its outputs it is; null for inputs, weights and constants. */
  readonly from: { readonly node: Node; readonly output: number } | null;
}

export interface Node {
  readonly op: string;
  readonly inputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly outputs: Tensor[];
}

/** Where the bytes of a weight lie: a float32 tensor in an external data file. */
export interface External {
  file: string;
  offset: number;
  bytes: number;
}

/** The product of dimensions, in the canonical spelling. */
export function product(dims: readonly Dim[]): Dim {
  let factor = 1;
  const symbols: string[] = [];
  for (const dim of dims)
    for (const part of String(dim).split('*')) {
      const value = Number(part);
      if (Number.isNaN(value)) symbols.push(part);
      else factor *= value;
    }
  if (symbols.length === 0) return factor;
  return [...(factor === 1 ? [] : [String(factor)]), ...symbols.sort()].join('*');
}

/** A graph under construction. Its methods check shapes and throw on a mismatch: a wrong graph never reaches the runtime. */
export class TensorGraph {
  readonly nodes: Node[] = [];
  readonly inputs: Tensor[] = [];
  readonly outputs: { name: string; tensor: Tensor }[] = [];
  readonly weights = new Map<Tensor, External>();
  readonly constants = new Map<Tensor, Float32Array | BigInt64Array>();
  private made = 0;

  private tensor(name: string, shape: readonly Dim[], dtype: DType, from: Tensor['from'] = null): Tensor {
    return { id: this.made++, name, shape, dtype, from };
  }

  input(name: string, shape: readonly Dim[], dtype: DType = 'float32'): Tensor {
    const tensor = this.tensor(name, shape, dtype);
    this.inputs.push(tensor);
    return tensor;
  }

  weight(name: string, shape: readonly number[], external: External): Tensor {
    const tensor = this.tensor(name, shape, 'float32');
    this.weights.set(tensor, external);
    return tensor;
  }

  constant(name: string, shape: readonly number[], values: Float32Array | BigInt64Array): Tensor {
    const tensor = this.tensor(name, shape, values instanceof Float32Array ? 'float32' : 'int64');
    this.constants.set(tensor, values);
    return tensor;
  }

  output(name: string, tensor: Tensor): void {
    this.outputs.push({ name, tensor });
  }

  /** Adds a node with outputs of the given shapes. The op's own method below is what callers use. */
  node(
    op: string,
    inputs: readonly Tensor[],
    shapes: readonly (readonly Dim[])[],
    attributes: Record<string, unknown> = {},
  ) {
    const node: Node = { op, inputs, attributes, outputs: [] };
    shapes.forEach((shape, output) => {
      node.outputs.push(this.tensor(`${op}_${this.made}`, shape, 'float32', { node, output }));
    });
    this.nodes.push(node);
    return node.outputs;
  }

  /** Rows of `table` (V,D) at integer `ids` (…): (…,D). */
  gather(table: Tensor, ids: Tensor): Tensor {
    return this.node('gather', [table, ids], [[...ids.shape, ...table.shape.slice(1)]])[0];
  }

  /** x (N,I) times weight (O,I) transposed, plus bias (O): (N,O). */
  linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    expect(x.shape.length === 2 && x.shape[1] === weight.shape[1], 'linear', x, weight);
    if (bias) expect(bias.shape[0] === weight.shape[0], 'linear bias', bias, weight);
    return this.node('linear', bias ? [x, weight, bias] : [x, weight], [[x.shape[0], weight.shape[0]]])[0];
  }

  /** alpha · op(a) op(b) on the last two axes, where op transposes if asked; leading axes must agree. */
  matmul(a: Tensor, b: Tensor, options: { transA?: boolean; transB?: boolean; alpha?: number } = {}): Tensor {
    const { transA = false, transB = false, alpha = 1 } = options;
    const [rows, innerA] = lastTwo(a, transA);
    const [innerB, columns] = lastTwo(b, transB);
    const lead = a.shape.slice(0, -2);
    expect(innerA === innerB && String(lead) === String(b.shape.slice(0, -2)), 'matmul', a, b);
    return this.node('matmul', [a, b], [[...lead, rows, columns]], { transA, transB, alpha })[0];
  }

  /** Element by element; `b` has a's shape or broadcasts into it (1s, or fewer leading axes). */
  private elementwise(op: string, a: Tensor, b: Tensor): Tensor {
    const tail = a.shape.slice(a.shape.length - b.shape.length);
    const fits = b.shape.every((dim, i) => dim === 1 || dim === tail[i]);
    expect(fits && b.shape.length <= a.shape.length, op, a, b);
    return this.node(op, [a, b], [a.shape])[0];
  }
  add(a: Tensor, b: Tensor): Tensor {
    return this.elementwise('add', a, b);
  }
  sub(a: Tensor, b: Tensor): Tensor {
    return this.elementwise('sub', a, b);
  }
  mul(a: Tensor, b: Tensor): Tensor {
    return this.elementwise('mul', a, b);
  }

  sigmoid(x: Tensor): Tensor {
    return this.node('sigmoid', [x], [x.shape])[0];
  }

  /** x · sigmoid(x). */
  silu(x: Tensor): Tensor {
    return this.node('silu', [x], [x.shape])[0];
  }

  /** Sum or mean over the last axis, kept as 1. */
  sumLast(x: Tensor): Tensor {
    return this.node('sumLast', [x], [[...x.shape.slice(0, -1), 1]])[0];
  }
  meanLast(x: Tensor): Tensor {
    return this.node('meanLast', [x], [[...x.shape.slice(0, -1), 1]])[0];
  }

  /** x / sqrt(mean(x²) + epsilon) · weight over the last axis; the second output is the reciprocal root (…,1). */
  rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
    expect(x.shape.at(-1) === weight.shape[0], 'rmsNorm', x, weight);
    return this.node('rmsNorm', [x, weight], [x.shape, [...x.shape.slice(0, -1), 1]], { epsilon })[0];
  }

  /** Rotary position embedding of x (B,T,H·D): pairs (i, i + D/2) of each head turned by the angles of cos, sin (C,D/2) at positions (B,T). */
  rotary(x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor): Tensor {
    return this.node('rotary', [x, positions, cos, sin], [x.shape])[0];
  }

  /**
   * softmax(scale · q kᵀ + mask) v with the G query heads of a group stacked along the rows of their shared key head:
   * q (B,K,G·T,D), k and v (B,K,S,D), mask (G·T,S) or (B,1,G·T,S) added; the second output is the probabilities (B,K,G·T,S).
   */
  attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scale: number): Tensor {
    const [b, heads, rows] = q.shape;
    expect(String(k.shape) === String(v.shape) && k.shape[3] === q.shape[3], 'attention', q, k);
    expect(mask.shape.at(-2) === rows && mask.shape.at(-1) === k.shape[2], 'attention mask', mask, q);
    return this.node('attention', [q, k, v, mask], [q.shape, [b, heads, rows, k.shape[2]]], { scale })[0];
  }

  /** x (…,R,C) stacked `times` times: (…,times·R,C). */
  repeatRows(x: Tensor, times: number): Tensor {
    const [rows, columns] = lastTwo(x, false);
    return this.node('repeatRows', [x], [[...x.shape.slice(0, -2), product([times, rows]), columns]], { times })[0];
  }

  /** The rows of a (…,R,D) and under them those of b (…,S,D): (…,R+S,D). */
  under(a: Tensor, b: Tensor): Tensor {
    const [rows, width] = lastTwo(a, false);
    const [more, same] = lastTwo(b, false);
    const lead = a.shape.slice(0, -2);
    expect(width === same && String(lead) === String(b.shape.slice(0, -2)), 'under', a, b);
    return this.node('under', [a, b], [[...lead, `${rows}+${more}`, width]])[0];
  }

  /** The last row of each x (…,R,D): (…,1,D). */
  lastRow(x: Tensor): Tensor {
    return this.node('lastRow', [x], [[...x.shape.slice(0, -2), 1, x.shape.at(-1) as Dim]])[0];
  }

  /**
   * −log softmax(x Eᵀ)[label] per row: x (N,D), E (V,D), labels (N) → (N,1). The second output is its gradient in x,
   * softmax(x Eᵀ) E − E[label] (N,D): the same slices of rows yield both, so the (N,V) matrix never exists whole.
   */
  crossEntropy(x: Tensor, table: Tensor, labels: Tensor, maxRows: number): Tensor {
    expect(x.shape[1] === table.shape[1], 'crossEntropy', x, table);
    return this.node('crossEntropy', [x, table, labels], [[x.shape[0], 1], x.shape], { maxRows })[0];
  }

  /** As crossEntropy, with each row's label drawn from its own softmax: the first whose cumulative probability exceeds uniform (N,1). */
  sampledCrossEntropy(x: Tensor, table: Tensor, uniform: Tensor, maxRows: number): Tensor {
    expect(x.shape[1] === table.shape[1], 'sampledCrossEntropy', x, table);
    return this.node('sampledCrossEntropy', [x, table, uniform], [[x.shape[0], 1], x.shape], { maxRows })[0];
  }

  /** Columns columnStart … columnEnd - 1 of x (N,D). */
  columns(x: Tensor, columnStart: number, columnEnd: number): Tensor {
    return this.node('columns', [x], [[x.shape[0], columnEnd - columnStart]], { columnStart, columnEnd })[0];
  }

  /** The xs (N,D_i) side by side: (N,ΣD_i). */
  beside(xs: Tensor[]): Tensor {
    const width = xs.reduce((sum, x) => sum + (x.shape[1] as number), 0);
    return this.node('beside', xs, [[xs[0].shape[0], width]])[0];
  }

  /** x (B,…) squared and summed over the first axis: (…). */
  sumSquaresFirst(x: Tensor): Tensor {
    return this.node('sumSquaresFirst', [x], [x.shape.slice(1)])[0];
  }

  reshape(x: Tensor, shape: readonly Dim[]): Tensor {
    expect(product(x.shape) === product(shape), 'reshape', x, { shape });
    return this.node('reshape', [x], [shape])[0];
  }

  transpose(x: Tensor, order: readonly number[]): Tensor {
    return this.node('transpose', [x], [order.map((axis) => x.shape[axis])], { order })[0];
  }

  /** x (…,D) with a column of ones appended: (…,D+1). How a bias becomes one more input of its layer. */
  appendOnes(x: Tensor): Tensor {
    const width = x.shape.at(-1) as number;
    return this.node('appendOnes', [x], [[...x.shape.slice(0, -1), width + 1]])[0];
  }
}

function lastTwo(x: Tensor, swapped: boolean): [Dim, Dim] {
  const [rows, columns] = x.shape.slice(-2);
  return swapped ? [columns, rows] : [rows, columns];
}

function expect(fits: boolean, op: string, a: { shape: readonly Dim[] }, b: { shape: readonly Dim[] }): void {
  if (!fits) throw new Error(`${op} expected shapes that fit, got (${a.shape}) and (${b.shape})`);
}

/** Lowers a tensor graph to an ONNX model: one row of the table for each op of the language. */
import { type Attribute, attribute, elementTypes, encodeOnnx, type OnnxGraph } from './onnxFile.ts';
import type { Dim, Node, Tensor, TensorGraph } from './tensorGraph.ts';

/** The bytes of the ONNX model that computes `graph`. The first input must be (B,T): B is read from it. */
export function lowerToOnnx(graph: TensorGraph): Uint8Array {
  const emitter = new Emitter(graph);
  for (const node of liveNodes(graph)) {
    const row = lowerings[node.op];
    if (!row) throw new Error(`lowerToOnnx expected an op of its table, got ${node.op}`);
    row(emitter, node);
  }
  return emitter.finish();
}

/** The nodes that an output depends on, in order: forward nodes above the last tap are computed only if the loss needs them. */
function liveNodes(graph: TensorGraph): Node[] {
  const live = new Set<Node>();
  const pending = graph.outputs.map(({ tensor }) => tensor);
  for (let tensor = pending.pop(); tensor; tensor = pending.pop()) {
    if (!tensor.from || live.has(tensor.from.node)) continue;
    live.add(tensor.from.node);
    pending.push(...tensor.from.node.inputs);
  }
  return graph.nodes.filter((node) => live.has(node));
}

type Lowering = (emit: Emitter, node: Node) => void;

const same =
  (type: string): Lowering =>
  (emit, node) =>
    emit.node(type, node.inputs, node.outputs);

const reduceLast =
  (type: string): Lowering =>
  (emit, node) =>
    emit.node(type, [node.inputs[0], emit.int64([-1])], node.outputs, { keepdims: 1 });

const lowerings: Record<string, Lowering> = {
  gather: same('Gather'),
  linear: (emit, node) => emit.node('Gemm', node.inputs, node.outputs, { transB: 1 }),
  matmul: (emit, { inputs, outputs, attributes }) => emit.matmul(inputs[0], inputs[1], outputs[0], attributes),
  add: same('Add'),
  sub: same('Sub'),
  mul: same('Mul'),
  sigmoid: same('Sigmoid'),
  silu: (emit, { inputs: [x], outputs }) => emit.node('Mul', [x, emit.op('Sigmoid', [x])], outputs),
  sumLast: reduceLast('ReduceSum'),
  meanLast: reduceLast('ReduceMean'),
  rmsNorm: (emit, { inputs, outputs, attributes }) =>
    emit.node('SimplifiedLayerNormalization', inputs, outputs, {
      axis: -1,
      epsilon: { float: attributes.epsilon as number },
    }),
  rotary: (emit, node) => emit.node('RotaryEmbedding', node.inputs, node.outputs, {}, 'com.microsoft'),
  attention: lowerAttention,
  repeatRows: (emit, { inputs: [x], outputs, attributes }) =>
    emit.node('Concat', new Array<Tensor>(attributes.times as number).fill(x), outputs, { axis: x.shape.length - 2 }),
  under: (emit, { inputs, outputs }) => emit.node('Concat', inputs, outputs, { axis: -2 }),
  lastRow: (emit, { inputs: [x], outputs }) =>
    emit.node('Gather', [x, emit.int64([-1])], outputs, { axis: x.shape.length - 2 }),
  crossEntropy: (emit, node) => lowerCrossEntropy(emit, node, givenLabels),
  sampledCrossEntropy: (emit, node) => lowerCrossEntropy(emit, node, drawnLabels),
  columns: (emit, { inputs: [x], outputs, attributes: { columnStart, columnEnd } }) =>
    emit.node(
      'Slice',
      [x, emit.int64([columnStart as number]), emit.int64([columnEnd as number]), emit.int64([1])],
      outputs,
    ),
  beside: (emit, { inputs, outputs }) => emit.node('Concat', inputs, outputs, { axis: 1 }),
  sumSquaresFirst: (emit, { inputs: [x], outputs }) =>
    emit.node('ReduceSum', [emit.op('Mul', [x, x]), emit.int64([0])], outputs, { keepdims: 0 }),
  reshape: (emit, { inputs, outputs }) => emit.node('Reshape', [inputs[0], emit.shape(outputs[0].shape)], outputs),
  transpose: (emit, { inputs, outputs, attributes }) =>
    emit.node('Transpose', inputs, outputs, { perm: attributes.order as number[] }),
  appendOnes: (emit, { inputs: [x], outputs }) =>
    emit.node('Pad', [x, emit.int64(padding(x.shape.length)), emit.scalar(1)], outputs),
};

/** Pads for one more column at the end of the last axis. */
function padding(rank: number): number[] {
  return Array.from({ length: 2 * rank }, (_, i) => (i === 2 * rank - 1 ? 1 : 0));
}

function lowerAttention(emit: Emitter, { inputs: [q, k, v, mask], outputs: [out, p], attributes }: Node): void {
  const scores = emit.matmul(q, k, undefined, { transB: true, alpha: attributes.scale });
  emit.node('Softmax', [emit.op('Add', [scores, mask])], [p], { axis: -1 });
  emit.matmul(p, v, out, {});
}

/** Rows of logits computed at a time: 128 × 49,152 float32 is 25 MB, and wide enough for the matrix product to run at full rate. */
const headRows = 128;

/** From rows of labels or of uniform numbers, and the rows' log-probabilities (N,V): the labels (N,1). */
type Labels = (emit: Emitter, rows: string, logP: string) => string;

const givenLabels: Labels = (emit, rows) => emit.op('Unsqueeze', [rows, emit.int64([1])]);

/** How many cumulative probabilities do not exceed the uniform number; rounding may leave the last of them below 1. */
const drawnLabels: Labels = (emit, rows, logP) => {
  const cumulative = emit.op('CumSum', [emit.op('Exp', [logP]), emit.int64([1])]);
  const passed = emit.op('Cast', [emit.op('LessOrEqual', [cumulative, rows])], { to: elementTypes.int64 });
  const sums = emit.op('ReduceSum', [passed, emit.int64([-1])], { keepdims: 1 });
  // onnxruntime leaves the summed axis as it was where there are no rows.
  const index = emit.op('Slice', [sums, emit.int64([0]), emit.int64([1]), emit.int64([1])]);
  const last = emit.op('Sub', [emit.op('Shape', [logP], { start: 1, end: 2 }), emit.int64([1])]);
  return emit.op('Min', [index, last]);
};

function lowerCrossEntropy(
  emit: Emitter,
  { inputs: [x, table, labels], outputs, attributes }: Node,
  labelsOf: Labels,
): void {
  const slices = Math.ceil((attributes.maxRows as number) / headRows);
  const axis = emit.int64([0]);
  const losses: string[] = [];
  const gradients: string[] = [];
  for (let slice = 0; slice < slices; slice++) {
    const rows = [emit.int64([slice * headRows]), emit.int64([(slice + 1) * headRows]), axis];
    const xs = emit.op('Slice', [x, ...rows]);
    const logP = emit.op('LogSoftmax', [emit.op('Gemm', [xs, table], { transB: 1 })], { axis: -1 });
    const label = labelsOf(emit, emit.op('Slice', [labels, ...rows]), logP);
    losses.push(emit.op('Neg', [emit.op('GatherElements', [logP, label], { axis: 1 })]));
    const expected = emit.op('MatMul', [emit.op('Exp', [logP]), table]);
    const own = emit.op('Gather', [table, emit.op('Squeeze', [label, emit.int64([1])])]);
    gradients.push(emit.op('Sub', [expected, own]));
  }
  emit.node('Concat', losses, [outputs[0]], { axis: 0 });
  emit.node('Concat', gradients, [outputs[1]], { axis: 0 });
}

type Value = Tensor | string;

/** Collects ONNX nodes and initializers; names follow the tensors'. */
class Emitter {
  private readonly onnx: OnnxGraph;
  private readonly graph: TensorGraph;
  private readonly memo = new Map<string, string>();
  private readonly used = new Set<Tensor>();
  private made = 0;

  constructor(graph: TensorGraph) {
    this.graph = graph;
    this.onnx = { name: 'gradients', node: [], initializer: [], input: [], output: [] };
  }

  private name(value: Value): string {
    if (typeof value === 'string') return value;
    this.used.add(value);
    return value.from ? `t${value.id}` : value.name;
  }

  node(
    type: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): void {
    this.onnx.node.push({
      op_type: type,
      domain,
      input: inputs.map((value) => this.name(value)),
      output: outputs.map((value) => this.name(value)),
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
  }

  /** A node with one fresh output, whose name it returns. */
  op(type: string, inputs: readonly Value[], attributes: Record<string, Attribute> = {}, domain = ''): string {
    const output = `v${this.made++}`;
    this.node(type, inputs, [output], attributes, domain);
    return output;
  }

  /** A product of the last two axes: MatMul where nothing is transposed or scaled, the fused one elsewhere. */
  matmul(
    a: Value,
    b: Value,
    output: Value | undefined,
    { transA, transB, alpha = 1 }: Record<string, unknown>,
  ): string {
    const to = output ?? `v${this.made++}`;
    if (!transA && !transB && alpha === 1) this.node('MatMul', [a, b], [to]);
    else {
      const flags = { transA: Number(transA ?? 0), transB: Number(transB ?? 0), alpha: { float: alpha as number } };
      this.node('FusedMatMul', [a, b], [to], flags, 'com.microsoft');
    }
    return this.name(to);
  }

  private constant(key: string, dims: number[], type: number, raw: Uint8Array): string {
    const known = this.memo.get(key);
    if (known) return known;
    const name = `c${this.memo.size}`;
    this.onnx.initializer.push({ name, dims, data_type: type, raw_data: raw });
    this.memo.set(key, name);
    return name;
  }

  int64(values: number[]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.constant(`i${values}`, [values.length], elementTypes.int64, new Uint8Array(data.buffer));
  }

  scalar(value: number): string {
    return this.constant(`f${value}`, [], elementTypes.float32, new Uint8Array(Float32Array.of(value).buffer));
  }

  /** A shape as a Reshape's second input: B is read from the first graph input, the one other symbolic dimension is inferred. */
  shape(dims: readonly Dim[]): string {
    const key = `shape ${dims}`;
    const known = this.memo.get(key);
    if (known) return known;
    if (dims[0] !== 'B' || dims.filter((dim) => typeof dim === 'string').length === 1)
      return this.int64(inferred(dims, key));
    const lead = this.memo.get('B') ?? this.op('Shape', [this.graph.inputs[0]], { start: 0, end: 1 });
    this.memo.set('B', lead);
    const name = this.op('Concat', [lead, this.int64(inferred(dims.slice(1), key))], { axis: 0 });
    this.memo.set(key, name);
    return name;
  }

  finish(): Uint8Array {
    for (const { name, tensor } of this.graph.outputs) {
      this.node('Identity', [tensor], [name]);
      this.onnx.output.push(valueInfo(name, tensor));
    }
    for (const tensor of this.graph.inputs) this.onnx.input.push(valueInfo(tensor.name, tensor));
    for (const [tensor, { file, offset, bytes }] of this.graph.weights) {
      if (!this.used.has(tensor)) continue;
      const entries = { location: file, offset: String(offset), length: String(bytes) };
      const external_data = Object.entries(entries).map(([key, value]) => ({ key, value }));
      this.onnx.initializer.push({ ...header(tensor), external_data, data_location: 1 });
    }
    for (const [tensor, values] of this.graph.constants) {
      if (!this.used.has(tensor)) continue;
      const raw_data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      this.onnx.initializer.push({ ...header(tensor), raw_data });
    }
    return encodeOnnx(this.onnx);
  }
}

/** The dimensions with -1 for the one that the runtime infers. */
function inferred(dims: readonly Dim[], key: string): number[] {
  const numbers = dims.map((dim) => (typeof dim === 'number' ? dim : -1));
  if (numbers.filter((dim) => dim === -1).length > 1)
    throw new Error(`lowerToOnnx expected at most one inferred dimension, got ${key}`);
  return numbers;
}

function header(tensor: Tensor): object {
  return { name: tensor.name, dims: tensor.shape, data_type: elementTypes[tensor.dtype] };
}

function valueInfo(name: string, tensor: Tensor): object {
  const dim = tensor.shape.map((d) => (typeof d === 'number' ? { dim_value: d } : { dim_param: d }));
  return { name, type: { tensor_type: { elem_type: elementTypes[tensor.dtype], shape: { dim } } } };
}

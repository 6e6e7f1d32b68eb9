/** The reverse-mode rules: for each op, the gradients of its inputs given the gradient `g` of its first output. */
import type { Node, Tensor, TensorGraph } from './tensorGraph.ts';

/**
 * One rule. `inputs`, `attributes` and `outputs` are the forward node's; the result lists the gradient of each input as a thunk, so that
 * only those that lead to a tap are built. Inputs without an entry (weights, masks, positions, labels) never carry a gradient.
 */
type Rule = (graph: TensorGraph, g: Tensor, node: Node) => (() => Tensor)[];

export const backwardRules: Record<string, Rule> = {
  add: (_, g) => [() => g, () => g],
  mul: (o, g, { inputs: [a, b] }) => [() => o.mul(g, b), () => o.mul(g, a)],
  silu: (o, g, { inputs: [x], outputs: [y] }) => [() => o.mul(g, siluSlope(o, x, y))],
  linear: (o, g, { inputs: [, weight] }) => [() => o.matmul(g, weight)],
  rmsNorm: (o, g, { inputs: [x, weight], outputs: [, r] }) => [() => rmsNormGradient(o, o.mul(g, weight), x, r)],
  rotary: (o, g, { inputs: [, positions, cos, sin] }) => [() => o.rotary(g, positions, cos, negated(o, sin))],
  reshape: (o, g, { inputs: [x] }) => [() => o.reshape(g, x.shape)],
  transpose: (o, g, { attributes }) => [() => o.transpose(g, inverse(attributes.order as number[]))],
  attention: attentionGradients,
  // The head computes its own gradient while the slice of logits is at hand.
  crossEntropy: (o, g, { outputs: [, gradient] }) => [() => o.mul(gradient, g)],
  sampledCrossEntropy: (o, g, { outputs: [, gradient] }) => [() => o.mul(gradient, g)],
};

/** d silu / dx = s + y (1 − s) with s = sigmoid(x) and y = x s. */
function siluSlope(o: TensorGraph, x: Tensor, y: Tensor): Tensor {
  const s = o.sigmoid(x);
  return o.add(o.sub(s, o.mul(y, s)), y);
}

/** With x̂ = x r and h = g ∘ weight: dx = r (h − x̂ · mean(h ∘ x̂)). */
function rmsNormGradient(o: TensorGraph, h: Tensor, x: Tensor, r: Tensor): Tensor {
  const normed = o.mul(x, r);
  return o.mul(o.sub(h, o.mul(normed, o.meanLast(o.mul(h, normed)))), r);
}

/** Dao et al. 2022, eq. 4: dS = P ∘ (dP − rowsum(dO ∘ O)), so that no second (T,T) reduction is needed. */
function attentionGradients(o: TensorGraph, g: Tensor, node: Node): (() => Tensor)[] {
  const [q, k, v] = node.inputs;
  const [out, p] = node.outputs;
  const alpha = node.attributes.scale as number;
  let memo: Tensor | undefined;
  const scores = () => {
    memo ??= o.mul(o.sub(o.matmul(g, v, { transB: true }), o.sumLast(o.mul(g, out))), p);
    return memo;
  };
  return [
    () => o.matmul(scores(), k, { alpha }),
    () => o.matmul(scores(), q, { transA: true, alpha }),
    () => o.matmul(p, g, { transA: true }),
  ];
}

/** A rotation is undone by the opposite angle; the negated table is made once per graph. */
function negated(o: TensorGraph, sin: Tensor): Tensor {
  for (const [tensor] of o.constants) if (tensor.name === `${sin.name}_negated`) return tensor;
  const values = (o.constants.get(sin) as Float32Array).map((value) => -value);
  return o.constant(`${sin.name}_negated`, sin.shape as number[], values);
}

function inverse(order: readonly number[]): number[] {
  const back = new Array<number>(order.length);
  order.forEach((axis, i) => {
    back[axis] = i;
  });
  return back;
}

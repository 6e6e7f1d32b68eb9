/** Reverse-mode differentiation: extends a graph by the gradients of a loss at chosen tensors, and by nothing else. */
import { backwardRules } from './backwardRules.ts';
import type { Tensor, TensorGraph } from './tensorGraph.ts';

/**
 * The gradient of Σ seed ∘ loss at each of `wanted`, added to `graph`. Only tensors downstream of a wanted one are differentiated, so the
 * backward pass ends at the lowest tap. Throws for an op without a rule and for a wanted tensor that the loss does not depend on.
 */
export function differentiate(graph: TensorGraph, loss: Tensor, seed: Tensor, wanted: readonly Tensor[]): Tensor[] {
  const nodes = [...graph.nodes];
  const downstream = new Set<Tensor>(wanted);
  for (const node of nodes)
    if (node.inputs.some((input) => downstream.has(input))) for (const output of node.outputs) downstream.add(output);

  const gradients = new Map<Tensor, Tensor>([[loss, seed]]);
  for (const node of nodes.reverse()) {
    const g = gradients.get(node.outputs[0]);
    if (!g || !node.inputs.some((input) => downstream.has(input))) continue;
    const rule = backwardRules[node.op];
    if (!rule) throw new Error(`differentiate expected a backward rule for each op, got none for ${node.op}`);
    rule(graph, g, node).forEach((gradient, i) => {
      const input = node.inputs[i];
      if (!downstream.has(input)) return;
      const earlier = gradients.get(input);
      gradients.set(input, earlier ? graph.add(earlier, gradient()) : gradient());
    });
  }
  return wanted.map((tensor) => {
    const gradient = gradients.get(tensor);
    if (!gradient) throw new Error(`differentiate expected a loss that depends on ${tensor.name}, and it does not`);
    return gradient;
  });
}

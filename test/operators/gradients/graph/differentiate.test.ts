import { describe, expect, it } from 'vitest';
import { differentiate } from '../../../../operators/gradients/graph/differentiate.ts';
import { type Tensor, TensorGraph } from '../../../../operators/gradients/graph/tensorGraph.ts';

const external = { file: 'weights.bin', offset: 0, bytes: 64 };

/** Three linear layers on each other, with a loss on top. */
function stack(): { graph: TensorGraph; layers: Tensor[]; loss: Tensor; seed: Tensor } {
  const graph = new TensorGraph();
  let x = graph.input('x', ['B*T', 4]);
  const layers: Tensor[] = [];
  for (const name of ['low', 'middle', 'high']) {
    x = graph.silu(graph.linear(x, graph.weight(name, [4, 4], external)));
    layers.push(x.from!.node.inputs[0]);
  }
  const labels = graph.input('labels', ['B*T'], 'int64');
  const loss = graph.crossEntropy(x, graph.weight('head', [9, 4], external), labels, 8);
  return { graph, layers, loss, seed: graph.input('weight', ['B*T', 1]) };
}

describe('differentiate', () => {
  it('ends the backward pass at the lowest tensor that is wanted', () => {
    const products = (lowest: number) => {
      const { graph, layers, loss, seed } = stack();
      differentiate(graph, loss, seed, layers.slice(lowest));
      return graph.nodes.filter(({ op }) => op === 'matmul').length;
    };
    expect([products(2), products(1), products(0)]).toEqual([0, 1, 2]);
  });

  it('refuses a tensor that the loss does not depend on', () => {
    const { graph, loss, seed } = stack();
    const aside = graph.silu(graph.input('aside', ['B*T', 4]));
    expect(() => differentiate(graph, loss, seed, [aside])).toThrow('expected a loss that depends on');
  });

  it('refuses an op that has no rule', () => {
    const { graph, layers, seed } = stack();
    const loss = graph.sumLast(layers[2]);
    expect(() => differentiate(graph, loss, seed, [layers[2]])).toThrow('got none for sumLast');
  });
});

describe('TensorGraph', () => {
  it('refuses shapes that do not fit', () => {
    const graph = new TensorGraph();
    const x = graph.input('x', ['B*T', 4]);
    const weight = graph.weight('w', [3, 5], external);
    expect(() => graph.linear(x, weight)).toThrow('linear expected shapes that fit, got (B*T,4) and (3,5)');
    expect(() => graph.reshape(x, ['B', 'T', 5])).toThrow('reshape expected shapes that fit');
  });
});

/** Products of dense float32 matrices by onnxruntime: its kernels, without a model around them. */
import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { lowerToOnnx } from '../gradients/graph/lowerToOnnx.ts';
import { TensorGraph } from '../gradients/graph/tensorGraph.ts';
import { openSession } from '../gradients/onnxSession.ts';

/** Row-major. */
export interface Matrix {
  rows: number;
  columns: number;
  values: Float32Array;
}

export interface Products {
  /** op(a) op(b), where op transposes if asked. Throws where the shapes do not fit. */
  multiply(a: Matrix, b: Matrix, transposed?: { a?: boolean; b?: boolean }): Promise<Matrix>;
}

/** Four sessions of one node each, for any shapes. */
export async function openProducts(threadsPerWorker: number): Promise<Products> {
  const sessions = new Map<string, InferenceSession>();
  for (const a of [false, true])
    for (const b of [false, true])
      sessions.set(`${a} ${b}`, await openSession(productGraph(a, b), { threadsPerWorker, prepack: false }));
  return {
    async multiply(a, b, { a: transA = false, b: transB = false } = {}) {
      const [rows, inner] = transA ? [a.columns, a.rows] : [a.rows, a.columns];
      const [innerB, columns] = transB ? [b.columns, b.rows] : [b.rows, b.columns];
      if (inner !== innerB)
        throw new Error(
          `multiply expected inner dimensions that agree, got (${rows},${inner}) and (${innerB},${columns})`,
        );
      const session = sessions.get(`${transA} ${transB}`)!;
      const { product } = await session.run({ a: tensorOf(a), b: tensorOf(b) });
      return { rows, columns, values: product.data as Float32Array };
    },
  };
}

function productGraph(transA: boolean, transB: boolean): Uint8Array {
  const graph = new TensorGraph();
  const a = graph.input('a', transA ? ['K', 'M'] : ['M', 'K']);
  const b = graph.input('b', transB ? ['N', 'K'] : ['K', 'N']);
  graph.output('product', graph.matmul(a, b, { transA, transB }));
  return lowerToOnnx(graph);
}

function tensorOf({ rows, columns, values }: Matrix): Tensor {
  return new Tensor('float32', values, [rows, columns]);
}

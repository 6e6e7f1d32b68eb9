/** Measures how fast onnxruntime multiplies single-precision matrices here: the speed of light for gradients. */
import { elementTypes, encodeOnnx } from '../../operators/gradients/graph/onnxFile.ts';

const n = 1024;
const repeats = 8;

/** Floating-point operations a second of one thread, the best of a few products. Throws where onnxruntime does not load. */
export async function measureMatrixProduct(): Promise<number> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node'); // loaded here, so that a failure can be told
  const session = await InferenceSession.create(matrixProduct(), { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const ones = new Tensor('float32', new Float32Array(n * n).fill(1), [n, n]);
  let shortest = Number.POSITIVE_INFINITY; // ms
  for (let repeat = 0; repeat < repeats; repeat++) {
    const begin = performance.now();
    const { c } = await session.run({ a: ones, b: ones });
    shortest = Math.min(shortest, performance.now() - begin);
    if (c.data[0] !== n) throw new Error(`a product of ${n} ones expected ${n}, got ${c.data[0]}`);
  }
  await session.release();
  return (2 * n ** 3) / (shortest / 1000);
}

function matrixProduct(): Uint8Array {
  const dim = [{ dim_value: n }, { dim_value: n }];
  const square = (name: string) => ({
    name,
    type: { tensor_type: { elem_type: elementTypes.float32, shape: { dim } } },
  });
  return encodeOnnx({
    name: 'matrix product',
    node: [{ op_type: 'MatMul', domain: '', input: ['a', 'b'], output: ['c'], attribute: [] }],
    initializer: [],
    input: [square('a'), square('b')],
    output: [square('c')],
  });
}

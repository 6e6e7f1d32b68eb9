import { describe, expect, it } from 'vitest';
import { measureMatrixProduct } from '../../../pipeline/machine/measureMatrixProduct.ts';

describe('measureMatrixProduct', () => {
  it('runs a product in onnxruntime, at a rate that a machine can have', async () => {
    const flops = await measureMatrixProduct();
    expect(flops).toBeGreaterThan(1e8);
    expect(flops).toBeLessThan(1e13);
  }, 30_000);
});

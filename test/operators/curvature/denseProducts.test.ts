import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Matrix, openProducts } from '../../../operators/curvature/denseProducts.ts';

const products = await openProducts(1);

/** Numbers that differ from place to place. */
function matrix(rows: number, columns: number, salt: number): Matrix {
  return { rows, columns, values: Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7 + salt)) };
}

function multiplySlowly(a: Matrix, b: Matrix, transA: boolean, transB: boolean): number[] {
  const left = (i: number, j: number) => (transA ? a.values[j * a.columns + i] : a.values[i * a.columns + j]);
  const right = (i: number, j: number) => (transB ? b.values[j * b.columns + i] : b.values[i * b.columns + j]);
  const [rows, inner] = transA ? [a.columns, a.rows] : [a.rows, a.columns];
  const columns = transB ? b.rows : b.columns;
  return Array.from({ length: rows * columns }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += left(Math.floor(at / columns), k) * right(k, at % columns);
    return sum;
  });
}

const dims = fc.integer({ min: 1, max: 17 });

describe('openProducts', () => {
  it('multiplies matrices of any shapes, either one transposed or not, as three loops do', async () => {
    await fc.assert(
      fc.asyncProperty(dims, dims, dims, fc.boolean(), fc.boolean(), async (rows, inner, columns, transA, transB) => {
        const a = transA ? matrix(inner, rows, 1) : matrix(rows, inner, 1);
        const b = transB ? matrix(columns, inner, 2) : matrix(inner, columns, 2);
        const product = await products.multiply(a, b, { a: transA, b: transB });
        expect([product.rows, product.columns]).toEqual([rows, columns]);
        multiplySlowly(a, b, transA, transB).forEach((value, i) => {
          expect(Math.abs(product.values[i] - value)).toBeLessThan(1e-5);
        });
      }),
    );
  });

  it('gives zeros for a sum over nothing', async () => {
    const product = await products.multiply(matrix(0, 3, 0), matrix(0, 2, 0), { a: true });
    expect(product).toEqual({ rows: 3, columns: 2, values: new Float32Array(6) });
  });

  it('reads rows of a larger matrix in place', async () => {
    const whole = matrix(9, 4, 3);
    const rows = { rows: 2, columns: 4, values: whole.values.subarray(12, 20) };
    const { values } = await products.multiply(rows, rows, { b: true });
    multiplySlowly(rows, rows, false, true).forEach((value, i) => {
      expect(Math.abs(values[i] - value)).toBeLessThan(1e-5);
    });
  });

  it('refuses shapes that do not fit', async () => {
    await expect(products.multiply(matrix(2, 3, 0), matrix(4, 5, 0))).rejects.toThrow(
      'multiply expected inner dimensions that agree, got (2,3) and (4,5)',
    );
  });
});

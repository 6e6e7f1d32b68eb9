/** Eigendecomposes one side's covariance, block by block, in a worker. */
import type { JobOperator } from '../../schemas/operators.ts';
import { eigendecompose } from './eigendecompose.ts';
import { covarianceBlocks, type Side } from './sides.ts';

export interface SideCovariance {
  side: Side;
  /** Diagonal blocks. */
  blocks: number;
  /** The tiles' sums, shared with the main thread. */
  sums: Float64Array;
  /** n: the positions summed over. */
  count: number;
}

/** Q = diag(Q_1 … Q_b) of one side. */
export interface Eigenbasis {
  /** (n) Eigenvalues in the order of Q's columns: descending within each block. */
  values: Float64Array;
  /** Each block's eigenvectors as the columns of a row-major (n_b,n_b) matrix, one block after the other. */
  vectors: Float32Array;
}

const eigenbasisOfSide: JobOperator<null, SideCovariance, Eigenbasis> = {
  kind: 'job',
  name: 'eigenbasisOfSide',
  open: () => decompose,
};
export default eigenbasisOfSide;

function decompose({ side, blocks, sums, count }: SideCovariance): Eigenbasis {
  const values = new Float64Array(side.width);
  const parts: Float32Array[] = [];
  let at = 0;
  for (const { matrix, width } of covarianceBlocks(sums, side.width, blocks, count)) {
    const basis = eigendecompose(matrix, width);
    values.set(basis.values, at);
    parts.push(Float32Array.from(basis.vectors));
    at += width;
  }
  return { values, vectors: concatenate(parts) };
}

function concatenate(parts: Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

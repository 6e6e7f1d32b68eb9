import { describe, expect, it } from 'vitest';
import { poolSize } from '../../../pipeline/pool/poolSize.ts';

const open = { workers: null, threadsPerWorker: 1, credits: null, prepack: true };

describe('poolSize', () => {
  it('gives each core a worker, and each worker two batches in flight', () => {
    expect(poolSize(open, 6)).toEqual({ workers: 6, threadsPerWorker: 1, credits: 12, prepack: true });
  });

  it('gives each thread a core', () => {
    expect(poolSize({ ...open, threadsPerWorker: 4 }, 6)).toMatchObject({ workers: 1, credits: 2 });
    expect(poolSize({ ...open, threadsPerWorker: 8 }, 6)).toMatchObject({ workers: 1 });
  });

  it('takes what the configuration says', () => {
    expect(poolSize({ ...open, workers: 3 }, 1)).toMatchObject({ workers: 3, credits: 6 });
    expect(poolSize({ ...open, workers: 3, credits: 1 }, 1)).toMatchObject({ workers: 3, credits: 1 });
  });
});

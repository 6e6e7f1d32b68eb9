import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { openSession } from '../../../operators/gradients/onnxSession.ts';
import { writeDecodingModel } from '../../../operators/queries/decodingModel.ts';
import { KeyValueCache } from '../../../operators/queries/keyValueCache.ts';

const scratch = await mkdtemp(join(tmpdir(), 'headwater-cache-'));
afterAll(() => rm(scratch, { recursive: true }));

const folder = await readModelFolder(new URL('../../goldens/gradients/all-biases', import.meta.url).pathname);
const model = await writeDecodingModel(folder, 64, scratch);
const session = await openSession(model.path, { threadsPerWorker: 1, prepack: true });

async function step(cache: KeyValueCache, tokens: number[][]): Promise<number[][]> {
  const { logits, ...fresh } = await session.run(cache.feeds(tokens));
  cache.append(fresh);
  const values = [...(logits.data as Float32Array)];
  return tokens.map((_, b) =>
    values.slice((b * values.length) / tokens.length, ((b + 1) * values.length) / tokens.length),
  );
}

const lastLogits = async (ids: number[]) => (await step(new KeyValueCache(model.cached, [ids.length]), [ids]))[0];

function expectClose(found: number[], wanted: number[]): void {
  const largest = Math.max(...wanted.map(Math.abs));
  found.forEach((value, i) => {
    expect(Math.abs(value - wanted[i]) / largest).toBeLessThan(1e-5);
  });
}

const token = fc.integer({ min: 0, max: 63 });

describe('KeyValueCache', () => {
  it('gives the same logits for a text in one step and in any steps', async () => {
    const steps = fc.array(fc.array(token, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(steps, async (parts) => {
        const cache = new KeyValueCache(model.cached, [parts[0].length]);
        let logits: number[] = [];
        for (const part of parts) [logits] = await step(cache, [part]);
        expectClose(logits, await lastLogits(parts.flat()));
      }),
      { numRuns: 30, seed: 1 },
    );
  });

  it('gives each row of a batch its own logits, whatever rows of other lengths stand beside it and leave', async () => {
    const texts = fc.array(fc.array(token, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(texts, fc.infiniteStream(fc.nat()), async (rows, draw) => {
        const cache = new KeyValueCache(
          model.cached,
          rows.map((row) => row.length),
        );
        let [open, tokens] = [rows, rows];
        for (let turn = 0; turn < 4; turn++) {
          const logits = await step(cache, tokens);
          for (const [b, row] of open.entries()) expectClose(logits[b], await lastLogits(row));
          const kept = [...open.keys()].filter((b) => b === 0 || draw.next().value % 4 > 0).reverse();
          cache.keep(kept);
          tokens = kept.map(() => [draw.next().value % 64]);
          open = kept.map((b, i) => [...open[b], ...tokens[i]]);
        }
      }),
      { numRuns: 15, seed: 2 },
    );
  });
});

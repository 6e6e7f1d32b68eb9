import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readModelFolder } from '../../../operators/gradients/modelFolder.ts';
import { openSession } from '../../../operators/gradients/onnxSession.ts';
import { writeDecodingModel } from '../../../operators/queries/decodingModel.ts';
import generateCompletions, {
  type CompletionLimits,
  type GeneratedTokens,
  likeliest,
} from '../../../operators/queries/generateCompletions.ts';
import { KeyValueCache } from '../../../operators/queries/keyValueCache.ts';
import { InputError } from '../../../schemas/errors.ts';

interface Golden extends CompletionLimits {
  prompts: number[][];
  completions: Omit<GeneratedTokens, 'id'>[];
}

const repository = new URL('../../../', import.meta.url).pathname;
const text = await readFile(join(repository, 'test/goldens/completions/golden.json'), 'utf8');
const goldens: Record<string, Golden> = JSON.parse(text);
const cache = await mkdtemp(join(tmpdir(), 'headwater-completions-'));
afterAll(() => rm(cache, { recursive: true }));

const session = { threadsPerWorker: 1, prepack: true };
const facts = { queries: [], tasks: [], topK: 1, seed: 0 };

async function decodingModel(name: string, contextTokens = goldens[name].contextTokens) {
  const path = name === 'bundled' ? 'datasets/tuned' : `test/goldens/gradients/${name}`;
  return writeDecodingModel(await readModelFolder(join(repository, path)), contextTokens, cache);
}

async function openJob(name: string, limits: Partial<CompletionLimits> = {}) {
  const { contextTokens, maxNewTokens, endOfText } = { ...goldens[name], ...limits };
  const model = await decodingModel(name, contextTokens);
  return generateCompletions.open({ model, ...session, contextTokens, maxNewTokens, endOfText }, facts);
}

const asPrompts = (prompts: number[][]) => prompts.map((ids, p) => ({ id: `q${p}`, ids }));
const withIds = (completions: Golden['completions']) => completions.map((c, p) => ({ id: `q${p}`, ...c }));

/** Greedy decoding without a cache: the whole text goes through the model for each token. */
async function decodeWhole(name: string, prompt: number[], tokens: number): Promise<number[]> {
  const model = await decodingModel(name);
  const open = await openSession(model.path, session);
  const ids = [...prompt];
  while (ids.length < prompt.length + tokens) {
    const { logits } = await open.run(new KeyValueCache(model.cached, [ids.length]).feeds([ids]));
    ids.push(likeliest(logits.data as Float32Array, 'q'));
  }
  return ids.slice(prompt.length);
}

describe.each(Object.keys(goldens))('the completions of %s', (name) => {
  const { prompts, completions } = goldens[name];

  it('are those of PyTorch, prompts of all lengths side by side', async () => {
    const complete = await openJob(name);
    expect(await complete(asPrompts(prompts))).toEqual(withIds(completions));
  });

  it('do not depend on which prompts are together', async () => {
    const complete = await openJob(name);
    const whole = withIds(completions);
    const some = fc.shuffledSubarray([...prompts.keys()], { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(some, async (chosen) => {
        const part = await complete(chosen.map((p) => ({ id: `q${p}`, ids: prompts[p] })));
        expect(part).toEqual(chosen.map((p) => whole[p]));
      }),
      { numRuns: name === 'bundled' ? 4 : 20, seed: 5 },
    );
  });
});

describe('generateCompletions', () => {
  it('gives what decoding without a cache gives, beyond what the cache first holds', async () => {
    const [first, , , last] = goldens.bundled.prompts;
    const complete = await openJob('bundled', { endOfText: [], maxNewTokens: 150 });
    const found = await complete(asPrompts([first, last.slice(0, 4)]));
    expect(found[0].ids).toEqual(await decodeWhole('bundled', first, 150));
    expect(found[1].ids).toEqual(await decodeWhole('bundled', last.slice(0, 4), 150));
  });

  it('says of a completion whether it was cut, at the tokens allowed or at the end of the context', async () => {
    const [prompt] = goldens['mha-untied'].prompts;
    const lengthAt = async (limits: Partial<CompletionLimits>) => {
      const [{ ids, cut }] = await (await openJob('mha-untied', limits))(asPrompts([prompt]));
      return [ids.length, cut];
    };
    expect(await lengthAt({ endOfText: [], maxNewTokens: 7 })).toEqual([7, true]);
    expect(await lengthAt({ endOfText: [], maxNewTokens: 70, contextTokens: 9 })).toEqual([9 - prompt.length, true]);
    expect(await lengthAt({ endOfText: [...Array(64).keys()] })).toEqual([0, false]);
  });

  it('does nothing for no prompts', async () => {
    expect(await (await openJob('mha-untied'))([])).toEqual([]);
  });
});

describe('likeliest', () => {
  it('breaks ties by the lower token', () => {
    expect(likeliest(Float32Array.of(1, 3, -2, 3, 3), 'q')).toBe(1);
    expect(likeliest(Float32Array.of(-1, -1), 'q')).toBe(0);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('refuses %s, naming the query', (value) => {
    const call = () => likeliest(Float32Array.of(1, value, 2), 'slope-3');
    expect(call).toThrow('query slope-3: expected finite logits, got NaN or Infinity: are the weights sound?');
    expect(call).toThrow(InputError);
  });
});

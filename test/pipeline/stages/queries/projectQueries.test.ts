import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  openSafetensors,
  openSafetensorsFile,
  readTensor,
  writeSafetensors,
} from '../../../../operators/gradients/safetensors.ts';
import { readConfiguration } from '../../../../pipeline/configuration/readConfiguration.ts';
import { queriesStage } from '../../../../pipeline/stages/stages.ts';
import {
  difference,
  goldenWorld,
  lettersModel,
  pearson,
  readGolden,
  scoresOf,
  textOf,
} from '../../../operators/curvature/goldenWorld.ts';
import { command, quietHooks, run, smallFolder, writeWorld } from '../../smallWorld.ts';

vi.setConfig({ testTimeout: 120_000 });
vi.mock('../../../../pipeline/pool/workerPool.ts', async (original) =>
  (await import('../../pool/poolWithoutThreads.ts')).poolWithoutThreads(original),
);

// All runs share the factors.
const cache = await mkdtemp(join(tmpdir(), 'headwater-project-'));
afterAll(() => rm(cache, { recursive: true }));

const modules = ['*.mlp.*'];
const golden = await readGolden('all-biases');
const [Q, N] = [golden.queries.length, golden.documents.length];

const world = (settings: Record<string, unknown> = {}) => goldenWorld('all-biases', { cache, modules, ...settings });

async function scores(settings: Record<string, unknown> = {}): Promise<number[][]> {
  return scoresOf((await run(await world(settings))).out, Q, N);
}

async function queries(settings: Record<string, unknown> = {}) {
  const { configuration } = await readConfiguration(await world(settings));
  const { summary } = await queriesStage(configuration, quietHooks());
  return { summary, path: summary.split(' ').at(-1)!, file: await openSafetensorsFile(summary.split(' ').at(-1)!) };
}

describe.each(['ekfac', 'kfac', 'diagonal', 'identity'])('a projection of queries preconditioned by %s', (kind) => {
  const preconditioner = { kind };
  const projections: Record<string, unknown>[] = [
    { kind: 'queryAdaptive', k: 30 },
    { kind: 'queryAdaptive', k: 30, widths: 'even', weighting: 'curvature', rounds: 1 },
    { kind: 'queryAdaptive', k: 1, fidelity: 1 },
    { kind: 'random', k: 30 },
    { kind: 'eigen', k: 30 },
  ];

  it('that is as wide as every layer gives the exact scores', async () => {
    const exact = await scores({ preconditioner });
    for (const projection of projections) {
      if (projection.kind === 'eigen' && kind === 'diagonal') continue;
      (await scores({ preconditioner, projection })).forEach((row, q) => {
        expect(difference(row, exact[q])).toBeLessThan(1e-4);
      });
    }
  });

  it('chosen from the queries keeps what moves the scores', async () => {
    const exact = await scores({ preconditioner });
    const kept = await scores({ preconditioner, projection: { kind: 'queryAdaptive', k: 12 } });
    const drawn = await scores({ preconditioner, projection: { kind: 'random', k: 12 } });
    kept.forEach((row, q) => {
      expect(pearson(row, exact[q])).toBeGreaterThan(Math.max(0.9, pearson(drawn[q], exact[q])));
    });
  });
});

describe('the query cache', () => {
  it('is the same bytes twice, and needs nothing beside itself', async () => {
    const projection = { kind: 'queryAdaptive', k: 8, rounds: 1 };
    const one = await queries({ projection });
    const bytes = await readFile(one.path);
    await rm(one.path);
    const again = await queries({ projection });
    expect(again.path).toBe(one.path);
    expect((await readFile(again.path)).equals(bytes)).toBe(true);
    expect((await readdir(cache)).filter((name) => name.startsWith('projecting'))).toEqual([]);
  });

  it('has the norms of the whole preconditioned gradients, however much of them it keeps', async () => {
    const exact = await queries();
    const kept = await queries({ projection: { kind: 'queryAdaptive', k: 8 } });
    const column = async ({ file }: typeof exact, name: string) => readTensor(file.tensors.get(name)!);
    const slow = new Float64Array(Q);
    for (const [name, entry] of exact.file.tensors) {
      if (!name.startsWith('gradient.')) continue;
      const values = await readTensor(entry);
      values.forEach((value, at) => {
        slow[Math.floor(at / (values.length / Q))] += value * value;
      });
    }
    for (const cached of [exact, kept])
      expect(difference(await column(cached, 'squaredNorm'), slow)).toBeLessThan(1e-5);
    golden.queries.forEach(({ ids, lossFrom, loss }, q) => {
      expect(exact.summary).toContain(`q${q}: ${loss.toFixed(2)} nats over ${ids.length - lossFrom} completion tokens`);
    });
  });

  it('keeps at least the fidelity that is asked for, as a mean over layers, and says what it keeps', async () => {
    for (const fidelity of [0.5, 0.9, 0.99]) {
      const { summary, file } = await queries({ projection: { kind: 'queryAdaptive', fidelity } });
      const layers: { share: number; captured: number }[] = JSON.parse(file.metadata.layers);
      const kept = layers.reduce((sum, { share, captured }) => sum + share * captured, 0);
      expect(layers.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
      const mean = layers.reduce((sum, { captured }) => sum + captured / layers.length, 0);
      expect(mean).toBeGreaterThan(fidelity - 1e-6);
      expect(summary).toContain(`keeps at least ${(100 * kept).toFixed(2)} % of the scores' variance`);
    }
  });

  it('is refused where a query has no finite gradient, which is named', async () => {
    const path = await world({ projection: { kind: 'queryAdaptive', k: 8 } });
    const { configuration } = await readConfiguration(path);
    const down = (await openSafetensors(configuration.model)).get('model.layers.1.mlp.down_proj.weight')!;
    const bytes = await readFile(down.file);
    bytes.fill(0x7f, down.offset, down.offset + 4);
    bytes.fill(0xff, down.offset + 4, down.offset + 8);
    await writeFile(down.file, bytes);
    const failed = await command('queries', path, '--quiet', '--set', 'preconditioner={kind: identity}');
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toMatch(/query q0: expected a finite (loss|gradient)/);
  });
});

describe('a query model', () => {
  /** One document and one query that predict all of their tokens. */
  const [x, y] = [golden.documents[30].ids, golden.documents[20].ids];
  const exact = { preconditioner: { kind: 'identity' }, projection: { kind: 'exact' }, modules, contextTokens: 32 };

  async function scoreOf(document: number[], query: number[], of: 'base' | 'tuned', asks: 'base' | 'tuned') {
    const folder = await smallFolder();
    const models = { base: await lettersModel('all-biases', folder), tuned: await tunedModel(folder) };
    const settings = { ...exact, model: models[of], queryModel: models[asks] };
    const asked = { id: 'q0', prompt: textOf(query.slice(0, 1)), completion: textOf(query.slice(1)) };
    const { out } = await run(await writeWorld(folder, settings, [{ text: textOf(document) }], [asked]));
    return (await scoresOf(out, 1, 1))[0][0];
  }

  /** The same model with other weights in its last norm. */
  async function tunedModel(folder: string): Promise<string> {
    const tuned = join(folder, 'tuned');
    await cp(join(folder, 'all-biases'), tuned, { recursive: true });
    const norm = (await openSafetensors(tuned)).get('model.norm.weight')!;
    const bytes = await readFile(norm.file);
    for (let i = 0; i < norm.shape[0]; i++) bytes.writeFloatLE(0.5 + i / 16, norm.offset + 4 * i);
    await writeFile(norm.file, bytes);
    return tuned;
  }

  it('gives the queries’ gradients, and the model itself the documents’', async () => {
    const score = await scoreOf(x, y, 'base', 'tuned');
    // ⟨∇ of y by tuned, ∇ of x by base⟩, whichever of them is the query.
    expect(score / (await scoreOf(y, x, 'tuned', 'base'))).toBeCloseTo(1, 4);
    for (const other of [await scoreOf(x, y, 'base', 'base'), await scoreOf(x, y, 'tuned', 'tuned')])
      expect(Math.abs(score / other - 1)).toBeGreaterThan(0.01);
  });

  it('that is the model itself changes nothing', async () => {
    const folder = await smallFolder();
    const queryModel = await lettersModel('all-biases', join(folder, 'copy'));
    expect(await scores({ queryModel })).toEqual(await scores());
  });

  it('of other shapes is refused with the layer and both shapes', async () => {
    const queryModel = await lettersModel('mha-untied', await smallFolder());
    const failed = await command('run', await world({ queryModel }), '--quiet');
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toMatch(
      /queryModel: expected the shapes of .*all-biases, where model\.layers\.0\.mlp\.gate_proj \(24,17\) stands, found model\.layers\.0\.mlp\.gate_proj \(24,16\) in .*mha-untied: query and document gradients are compared layer by layer/,
    );
  });

  it('with fewer layers is refused', async () => {
    const queryModel = await lettersModel('all-biases', await smallFolder());
    const config = join(queryModel, 'config.json');
    await writeFile(
      config,
      (await readFile(config, 'utf8')).replace('"num_hidden_layers": 2', '"num_hidden_layers": 1'),
    );
    const left = [...(await openSafetensors(queryModel)).values()].filter(({ name }) => !name.includes('layers.1.'));
    const tensors = await Promise.all(
      left.map(async (entry) => ({ ...entry, dtype: 'F32' as const, pieces: [await readTensor(entry)] })),
    );
    await writeSafetensors(join(queryModel, 'model.safetensors'), {}, tensors);
    const failed = await command('run', await world({ queryModel }), '--quiet');
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toContain('where model.layers.1.mlp.gate_proj (24,17) stands, found no further layer in');
  });

  it('that is not there is named', async () => {
    const failed = await command('run', await world({ queryModel: './nowhere' }), '--quiet');
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toMatch(/expected a Hugging Face model folder at .*nowhere/);
  });
});

/** What a run is of: everything that its tables depend on, so that no run goes on from another's checkpoint. */
import type { Corpus } from '../../operators/documents/corpus.ts';
import packageJson from '../../package.json' with { type: 'json' };
import type { Configuration } from '../../schemas/configuration.ts';
import { fingerprint } from '../../schemas/fingerprint.ts';
import { digestModule, type OperatorSpec } from '../operators/loadOperator.ts';
import type { Prepared } from '../stages/prepare.ts';

/** Named as the configuration names them, so that a difference can be said in the user's words. */
export type RunIdentity = Record<string, unknown>;

/** Keys that change where and how a run computes, or what becomes of documents yet to come, and no table of those before. */
const withoutEffect = [
  ...['out', 'cache', 'folder', 'maxSkipped', 'checkpoint', 'supervisor', 'pool.workers', 'pool.credits'],
  ...['corpus.onBadFile', 'corpus.onBadRow', 'corpus.manifest', 'corpus.readSeconds'],
];
/** Keys that name files: what lies in the files counts, not where they are. */
const byContent = ['model', 'queryModel', 'queries', 'operators', 'corpus.files'];

export async function runIdentity(prepared: Prepared, corpus: Corpus): Promise<RunIdentity> {
  const { configuration, custom, folder, queries, queryModel, tokenizer } = prepared;
  const own = [...custom.maps, ...custom.folds, ...(custom.matcher ? [custom.matcher] : [])];
  return {
    version: packageJson.version,
    ...leaves(configuration),
    model: await folder.fingerprint(),
    queryModel: await queryModel.folder.fingerprint(),
    tokenizer: tokenizer.fingerprint,
    queries: fingerprint(queries),
    operators: await Promise.all(own.map(({ spec }) => operatorIdentity(spec))),
    'corpus.files': corpus.files.map(({ path, rows, bytes, footerHash }) => ({ path, rows, bytes, footerHash })),
  };
}

async function operatorIdentity({ module, settings }: OperatorSpec) {
  return { digest: await digestModule(module), settings };
}

/** `{'projection.k': 64, …}` */
function leaves(configuration: Configuration): RunIdentity {
  const found: RunIdentity = {};
  const walk = (prefix: string, value: object): void => {
    for (const [name, inner] of Object.entries(value)) {
      const key = prefix + name;
      if (withoutEffect.includes(key) || byContent.includes(key)) continue;
      if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) walk(`${key}.`, inner);
      else found[key] = inner;
    }
  };
  walk('', configuration);
  return found;
}

/** What every part of a fit works with. */
import type { FactorFolder, FactorKind, Part } from '../../../operators/curvature/factorFolder.ts';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import type { PreparedModel } from '../prepare.ts';
import type { Clock } from '../run/streamed.ts';
import type { StageHooks } from '../stageHooks.ts';
import { partOfKeys, sampleKeys } from './sampleKeys.ts';

export interface Fitting {
  prepared: PreparedModel;
  corpus: Corpus;
  folder: FactorFolder;
  hooks: StageHooks;
  /** The part of the sample that this process is given; null for all of it. */
  part: Part | null;
  /** Told how long each kind of factor took. */
  clock: Clock;
}

/** How many documents the whole sample has. */
export function sampleSize({ configuration }: PreparedModel, corpus: Corpus): number {
  return Math.min(corpus.rows, configuration.fit.documents);
}

/**
 * The keys of the documents that this process sums over: of the whole corpus, whatever part of it (skip, limit) a run scores, so that all
 * runs over one corpus share one curvature.
 */
export function sampleOf({ prepared, corpus, part }: Pick<Fitting, 'prepared' | 'corpus' | 'part'>): Float64Array {
  const { configuration } = prepared;
  const keys = sampleKeys(configuration.seed, 0, corpus.rows, configuration.fit.documents);
  return part ? partOfKeys(keys, part) : keys;
}

/** What the user reads of each kind. */
export const titles: Record<FactorKind, string> = {
  covariance: 'covariances',
  eigenbasis: 'eigenvectors',
  squares: 'squared gradients',
  fisher: 'squared gradients',
};

/** What one pass over the corpus leaves behind: the folds' states, what was read, and how long each part took. */
import { bm25Documents } from '../../../operators/accumulators/bm25Documents.ts';
import { correlations } from '../../../operators/accumulators/correlations.ts';
import { documentCounts } from '../../../operators/accumulators/documentCounts.ts';
import { influenceDistribution } from '../../../operators/accumulators/influenceDistribution.ts';
import { kindCounts } from '../../../operators/accumulators/kindCounts.ts';
import { repeatedIds } from '../../../operators/accumulators/repeatedIds.ts';
import { sourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import { topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import { type OpenFold, openFold } from '../../operators/folds.ts';
import type { Prepared } from '../prepare.ts';

export interface Streamed {
  folds: RunFolds;
  custom: OpenFold[];
  /** Rows read: every one of them is scored, set aside or lost. */
  read: number;
  /** Rows of files that broke while being read, under `onBadFile: skip`. */
  lost: number;
  /** Documents whose invalid text was replaced by U+FFFD. */
  replaced: number;
  complete: boolean;
}

/** The built-in folds; each run makes its own. */
export function openRunFolds({ facts }: Prepared) {
  return {
    top: openFold(topDocuments, undefined, facts),
    correlations: openFold(correlations, undefined, facts),
    sources: openFold(sourceCounts, undefined, facts),
    counts: openFold(documentCounts, undefined, facts),
    repeated: openFold(repeatedIds, undefined, facts),
    distribution: openFold(influenceDistribution, undefined, facts),
    kinds: openFold(kindCounts, undefined, facts),
    bm25: openFold(bm25Documents, undefined, facts),
  };
}
export type RunFolds = ReturnType<typeof openRunFolds>;

/** Seconds of each part of a run, by a clock that never goes back. */
export class Clock {
  readonly seconds: Record<string, number> = {};
  private since = performance.now();

  lap(name: string): void {
    const now = performance.now();
    this.seconds[name] = (now - this.since) / 1000;
    this.since = now;
  }
}

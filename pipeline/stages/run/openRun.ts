/** Everything that the pass over the corpus needs: curvature, query gradients and word statistics, from the cache or made. */
import type { FactorFolder } from '../../../operators/curvature/factorFolder.ts';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import type { QueryCache } from '../../../operators/queries/queryCache.ts';
import type { ChainStep } from '../../operators/customOperators.ts';
import { cachedQueries } from '../computeQueries.ts';
import { cachedFactors } from '../fit.ts';
import { fullChain, gradientStep, type Join, openJoin, type Prepared } from '../prepare.ts';
import type { StageHooks } from '../stageHooks.ts';
import type { Clock } from './streamed.ts';
import { wordPass } from './wordPass.ts';

export interface OpenRun {
  prepared: Prepared;
  corpus: Corpus;
  /** Null where an operator of the user's yields the scores. */
  queries: QueryCache | null;
  join: Join | null;
  /** Where scoreByWords has its statistics; null where BM25 is not asked for. */
  words: string | null;
  /** The pool's steps from documents to scores. */
  chain: ChainStep[];
}

export async function openRun(prepared: Prepared, corpus: Corpus, clock: Clock, hooks: StageHooks): Promise<OpenRun> {
  clock.lap('prepare');
  const factors = scoresOnItsOwn(prepared) ? null : await cachedFactors(prepared, corpus, hooks);
  clock.lap('fit');
  const { queries, gradients, join } = await openQueries(prepared, factors, hooks);
  clock.lap('queries');
  const words = await wordPass(prepared, corpus, hooks);
  clock.lap('words');
  return { prepared, corpus, queries, join, words, chain: fullChain(prepared, words, gradients, join ? [join] : []) };
}

/** Whether an operator of the user's yields scores without query gradients. */
function scoresOnItsOwn({ custom }: Prepared): boolean {
  return custom.maps.some(
    ({ operator: { takes, gives } }) => gives === 'scores' && (takes === 'documents' || takes === 'tokenWindows'),
  );
}

/** The cached query gradients and the pool's steps on them; none where the user's own operator scores without them. */
async function openQueries(
  prepared: Prepared,
  factors: FactorFolder | null,
  hooks: StageHooks,
): Promise<{ queries: QueryCache | null; gradients: ChainStep[]; join: Join | null }> {
  if (scoresOnItsOwn(prepared)) return { queries: null, gradients: [], join: null };
  const { cache, reused } = await cachedQueries(prepared, factors, hooks);
  hooks.log(`query gradients: ${reused ? 'reused from' : 'written to'} ${cache.path}`);
  const gradients = await gradientStep(prepared, cache);
  return { queries: cache, gradients: [gradients], join: await openJoin(prepared, cache) };
}

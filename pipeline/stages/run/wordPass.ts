/** The first, cheap pass over the corpus: how often the words of the queries stand in it, which BM25 needs before it can score. */
import { join } from 'node:path';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import { readDocuments } from '../../../operators/documents/readDocuments.ts';
import {
  emptyStatistics,
  mergeStatistics,
  type WordStatistics,
  type WordStatisticsSettings,
} from '../../../operators/documents/wordStatistics.ts';
import { makeFolder } from '../../../operators/files/wholeFile.ts';
import { type LexicalQueries, lexicalQueries } from '../../../operators/queries/lexicalQueries.ts';
import { bm25Settings, hasBm25Settings, writeBm25Settings } from '../../../operators/scores/bm25.ts';
import { fingerprint } from '../../../schemas/fingerprint.ts';
import { inFlight } from '../../inFlight.ts';
import { builtIn } from '../../operators/loadOperator.ts';
import type { Prepared } from '../prepare.ts';
import type { StageHooks } from '../stageHooks.ts';
import { withPool } from '../withPool.ts';

/** Changes with the meaning of what the file holds. */
const WORDS_VERSION = 1;

/**
 * The file that scoreByWords reads, from the cache or counted over the documents that the run will read; null where BM25 is not asked for.
 * It counts documents as they are read: those that a later operator sets aside are among them.
 */
export async function wordPass(prepared: Prepared, corpus: Corpus, hooks: StageHooks): Promise<string | null> {
  if (!prepared.configuration.bm25) return null;
  const wanted = lexicalQueries(prepared.queries);
  const path = join(prepared.configuration.cache, `words-${wordsFingerprint(prepared, corpus, wanted)}.json`);
  if (await hasBm25Settings(path, hooks.log)) return path;
  const statistics = await countWords(prepared, corpus, wanted, hooks);
  await makeFolder(prepared.configuration.cache);
  await writeBm25Settings(path, bm25Settings(wanted, statistics));
  return path;
}

function wordsFingerprint({ configuration }: Prepared, corpus: Corpus, wanted: LexicalQueries): string {
  const { textColumn, invalidText, skip, limit = null } = configuration.corpus;
  const files = corpus.files.map(({ rows, bytes, footerHash }) => ({ rows, bytes, footerHash }));
  const whole = fingerprint({ version: WORDS_VERSION, files, textColumn, invalidText, skip, limit, wanted });
  return whole.slice(0, 16);
}

async function countWords(
  prepared: Prepared,
  corpus: Corpus,
  { words }: LexicalQueries,
  hooks: StageHooks,
): Promise<WordStatistics> {
  const { configuration } = prepared;
  const { skip, limit = corpus.rows } = configuration.corpus;
  const settings: WordStatisticsSettings = { words };
  const spec = { module: builtIn('documents/wordStatistics'), settings };
  let counted = emptyStatistics(words.length);
  hooks.progress.stage('words', Math.max(0, Math.min(limit, corpus.rows - skip)));
  const slices = readDocuments(corpus, configuration.corpus, configuration.slice, configuration.contextTokens);
  await withPool(prepared, hooks, (pool) =>
    inFlight(slices, 2 * pool.workers, async (slice) => {
      // Integers: the order in which slices are added does not show.
      const part: WordStatistics = await pool.job(spec, slice);
      counted = mergeStatistics(counted, part);
      hooks.progress.advance({ items: slice.key.length + slice.setAside.length, tokens: 0 });
    }),
  );
  hooks.progress.done();
  return counted;
}

/** The fit's documents as parts for one gradient call each, always the same parts for the same sample. */
import type { Corpus } from '../../../operators/documents/corpus.ts';
import { fetchDocuments } from '../../../operators/documents/fetchDocuments.ts';
import { fetchedBatch } from '../../../operators/documents/fetchedBatch.ts';
import { packWindows } from '../../../operators/tokens/packWindows.ts';
import { selectWindows } from '../../../operators/tokens/selectWindows.ts';
import { windowsOfBatch } from '../../../operators/tokens/windowDocuments.ts';
import type { TokenWindowBatch } from '../../../schemas/batches.ts';
import type { PreparedModel } from '../prepare.ts';

/** Documents whose texts are in memory at once. */
const SLICE_DOCUMENTS = 256;

/** What was read of the sample. */
export interface SampleTally {
  documents: number;
  /** n: positions of all documents, the last of each among them. */
  positions: number;
}

/**
 * The documents of `keys`, each cut to its first window, at most `maxWindows` a part; `tally` grows as they are read. A document without
 * two tokens says nothing of gradients and is passed over.
 */
export async function* fitParts(
  { configuration, tokenizer }: PreparedModel,
  corpus: Corpus,
  keys: Float64Array,
  maxWindows: number,
  tally: SampleTally,
): AsyncGenerator<TokenWindowBatch> {
  const { contextTokens, batchTokens } = configuration;
  for (let at = 0; at < keys.length; at += SLICE_DOCUMENTS) {
    const chosen = keys.subarray(at, at + SLICE_DOCUMENTS);
    const documents = await fetchDocuments(corpus, configuration.corpus, chosen);
    const batch = fetchedBatch(at / SLICE_DOCUMENTS, documents);
    const slice = windowsOfBatch(batch, tokenizer, { contextTokens, longDocuments: 'cut' });
    tally.documents += slice.key.length;
    tally.positions += slice.windows.ids.length;
    for (const packed of packWindows(slice.windows, batchTokens).batches)
      for (let w = 0; w < packed.length; w += maxWindows) yield selectWindows(slice, packed.slice(w, w + maxWindows));
  }
}

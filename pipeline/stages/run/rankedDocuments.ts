/** Reads the ranked documents again, once each, and says of every one its kind, as the pass over the corpus did. */
import { type RankedDocuments, rankedKeys, type TopDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import type { CorpusDocument, CorpusDocuments } from '../../../operators/documents/corpusDocument.ts';
import { fetchDocuments } from '../../../operators/documents/fetchDocuments.ts';
import { fetchedBatch } from '../../../operators/documents/fetchedBatch.ts';
import type { DocumentBatch } from '../../../schemas/batches.ts';
import { openGraphMaps } from '../../operators/customOperators.ts';
import { type OpenOperator, openOperator } from '../../operators/openOperator.ts';
import { runChain } from '../../pool/fusedTask.ts';
import { columnSteps, type Prepared } from '../prepare.ts';

/** The documents at either end of each ranking, and those that BM25 ranks; texts are read from the corpus, not kept while streaming. */
export async function rankedDocuments(
  prepared: Prepared,
  corpus: Corpus,
  top: TopDocuments,
  bm25: RankedDocuments,
): Promise<CorpusDocuments> {
  // Each was read in the pass: one that cannot be read now is no bad file to go on without.
  const settings = { ...prepared.configuration.corpus, onBadFile: 'fail' as const };
  const fetched = await fetchDocuments(corpus, settings, rankedKeys(top, bm25));
  const documents = new Map<number, CorpusDocument>();
  for (const [key, document] of fetched) {
    const file = corpus.files.findLastIndex(({ rowStart }) => rowStart <= key);
    documents.set(key, { ...document, file, row: key - corpus.files[file].rowStart, kind: null });
  }
  await labelRanked(prepared, documents);
  return documents;
}

/** Documents that the user's maps are given at once. */
const batchDocuments = 256;

/** Gives each document its kind, by the same steps as in the pass; none to a document that a map of the user's drops. */
async function labelRanked(prepared: Prepared, documents: Map<number, CorpusDocument>): Promise<void> {
  const steps = await documentSteps(prepared);
  const entries = [...documents];
  for (let start = 0; start < entries.length; start += batchDocuments) {
    const batch = batchOf(start / batchDocuments, entries.slice(start, start + batchDocuments));
    const { key, extra } = await runChain<DocumentBatch>(steps, batch);
    if (Array.isArray(extra.kind)) for (const [b, kind] of extra.kind.entries()) documents.get(key[b])!.kind = kind;
  }
}

/** The user's maps over documents, of either lane, and the built-in kinds. */
async function documentSteps({ custom, facts }: Prepared): Promise<OpenOperator[]> {
  const own = custom.maps.filter(({ operator: { lane, takes, gives } }) => {
    return lane === 'pool' && takes === 'documents' && gives === 'documents';
  });
  const pool = await Promise.all([...own, ...columnSteps(null)].map(({ spec }) => openOperator(spec, facts)));
  return [...(await openGraphMaps(custom, 'documents', facts)), ...pool];
}

function batchOf(batch: number, documents: [key: number, document: CorpusDocument][]): DocumentBatch {
  const fetched = documents.map(([, document]) => document);
  const sources = fetched.map(({ source }) => source);
  return {
    ...fetchedBatch(batch, new Map(documents)),
    file: Uint32Array.from(fetched, ({ file }) => file),
    row: Float64Array.from(fetched, ({ row }) => row),
    source: sources.every((source) => source === null) ? null : sources.map((source) => source ?? ''),
  };
}

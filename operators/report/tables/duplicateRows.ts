/** The rows of duplicates: groups of ranked documents that say the same, or nearly. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { NearDuplicate } from '../../accumulators/nearDuplicates.ts';
import { type CorpusDocuments, documentAt } from '../../documents/corpusDocument.ts';
import type { Columns } from '../writeTable.ts';

export const duplicateColumns: Columns = {
  group: 'int32',
  document_id: 'string',
  source: 'string?',
  file: 'string',
  row: 'int64',
  /** Whether it is the same normalised text as the group's first, the document that is read first. */
  exact: 'boolean',
  /** The Jaccard index of its shingles and the first's, as MinHash estimates it. */
  similarity: 'double',
  /** Queries that rank it, at either end. */
  rankings: 'int32',
};

export function* duplicateRows(
  duplicates: readonly NearDuplicate[],
  documents: CorpusDocuments,
  files: readonly string[],
): Generator<TableRow> {
  for (const { group, key, exact, similarity, rankings } of duplicates) {
    const { id, source, file, row } = documentAt(documents, key);
    yield { group, document_id: id, source, file: files[file], row, exact, similarity, rankings };
  }
}

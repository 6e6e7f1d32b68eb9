/** The rows of shared_documents: the documents that stand among the first of two or more queries of a task. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { SharedDocument } from '../../accumulators/sharedDocuments.ts';
import { type CorpusDocuments, documentAt } from '../../documents/corpusDocument.ts';
import type { Columns } from '../writeTable.ts';

export const sharedColumns: Columns = {
  document_id: 'string',
  source: 'string?',
  kind: 'string?',
  file: 'string',
  row: 'int64',
  task: 'string',
  /** Queries of the task that rank it among their first `depth`, of so many queries of the task. */
  queries: 'int32',
  of: 'int32',
  depth: 'int32',
};

export function* sharedRows(
  shared: readonly SharedDocument[],
  documents: CorpusDocuments,
  files: readonly string[],
): Generator<TableRow> {
  for (const { key, ...counts } of shared) {
    const { id, source, kind = null, file, row } = documentAt(documents, key);
    yield { document_id: id, source, kind, file: files[file], row, ...counts };
  }
}

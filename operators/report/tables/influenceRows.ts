/** The rows of token_influence and module_influence: where in the ranked documents their influence lies. */
import type { TableRow } from '../../../schemas/operators.ts';
import type { Columns } from '../writeTable.ts';

/** One ranked document of one query, explained. */
export interface ExplainedDocument {
  queryId: string;
  end: 'top' | 'bottom';
  rank: number;
  documentId: string;
  file: string;
  row: number;
  /** (T) Token ids, their texts, and what each position adds to the score. */
  ids: ArrayLike<number>;
  texts: string[];
  tokens: Float64Array;
  /** (M) */
  modules: Float64Array;
}

const place: Columns = {
  query_id: 'string',
  end: 'string',
  rank: 'int32',
  document_id: 'string',
  file: 'string',
  row: 'int64',
};

export const tokenInfluenceColumns: Columns = {
  ...place,
  position: 'int32',
  token_id: 'int32',
  token: 'string',
  influence: 'double',
};

export const moduleInfluenceColumns: Columns = { ...place, module: 'string', influence: 'double' };

function placeOf({ queryId, end, rank, documentId, file, row }: ExplainedDocument) {
  return { query_id: queryId, end, rank, document_id: documentId, file, row };
}

/** A row for each position t, which reads token t and predicts the one behind it. */
export function* tokenInfluenceRows(documents: readonly ExplainedDocument[]): Generator<TableRow> {
  for (const document of documents) {
    const where = placeOf(document);
    for (const [position, influence] of document.tokens.entries())
      yield { ...where, position, token_id: document.ids[position], token: document.texts[position], influence };
  }
}

export function* moduleInfluenceRows(
  documents: readonly ExplainedDocument[],
  modules: readonly string[],
): Generator<TableRow> {
  for (const document of documents) {
    const where = placeOf(document);
    for (const [m, influence] of document.modules.entries()) yield { ...where, module: modules[m], influence };
  }
}

/** Above it, a document's influence is one token's (Grosse et al. 2023, §5.3.4). */
const ONE_TOKEN = 2 / 3;

/** ‖s‖₂ / ‖s‖₁ over a document's tokens: 1 where a single one carries all, 1/√T where all carry alike; and whether it is a fluke. */
export function tokenConcentration(tokens: Float64Array): { concentration: number; oneToken: boolean } {
  let l1 = 0;
  let squares = 0;
  for (const value of tokens) {
    l1 += Math.abs(value);
    squares += value * value;
  }
  const concentration = l1 > 0 ? Math.sqrt(squares) / l1 : 0;
  return { concentration, oneToken: concentration > ONE_TOKEN };
}

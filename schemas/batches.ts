/** What travels along the arrows of the flow: documents, token windows, projected gradients and scores, as columns. */

/** Why a document left the flow without a score. `read = scored + set aside` holds for every run. */
export type SetAsideReason =
  | 'null text'
  | 'empty text'
  | 'whitespace only'
  | 'one token'
  | 'invalid text'
  | 'not finite'
  | 'operator'
  | 'crash'
  | 'deadline'
  | 'unreadable';

/** A document that was read and not scored. */
export interface SetAside {
  key: number;
  file: number;
  row: number;
  id: string;
  reason: SetAsideReason;
  /** What a person needs to know beyond the reason: the operator's name, the number that was not finite. */
  detail: string;
}

/** Reasons that are a document's fault or a machine's, where the others only say that there is nothing to score. */
export const badRowReasons: readonly SetAsideReason[] = ['invalid text', 'not finite', 'operator', 'crash', 'deadline'];

/** A column that a custom operator adds; it travels with its documents to the folds. */
export type ExtraColumn = Float64Array | string[];

/** The columns every batch carries from the file to the tables, each of length B. */
export interface DocumentColumns {
  /** The batch's place in reading order: 0, 1, 2 … */
  batch: number;
  /** (B) The document's row number in the whole corpus, files in sorted order: breaks every tie. Exact below 2^53. */
  key: Float64Array;
  /** (B) Index into the corpus's list of files. */
  file: Uint32Array;
  /** (B) Row within the file. */
  row: Float64Array;
  id: string[];
  /** (B) The source column's value, '' where it is null; null when no source column is configured. */
  source: string[] | null;
  setAside: SetAside[];
  extra: Record<string, ExtraColumn>;
  /** (B,Q) row-major: BM25 of each document for the words of each query; absent where word overlap is not asked for. */
  bm25?: Float64Array | null;
}

/** Documents as read. */
export interface DocumentBatch extends DocumentColumns {
  text: string[];
}

/** Documents as windows of token ids: one window a document, or several where long documents are split. */
export interface TokenWindowBatch extends DocumentColumns {
  windows: TokenWindows;
}

/** W windows of token ids, concatenated. */
export interface TokenWindows {
  /** (W) Which document of the batch the window belongs to. */
  document: Uint32Array;
  /** (W+1) Window w holds ids[start[w]] … ids[start[w + 1] - 1]. */
  start: Uint32Array;
  ids: Int32Array;
  /** (W) The first position within the window that carries loss as a *label*: 1 for a document, the prompt's length for a query. */
  lossFrom: Uint32Array;
}

/** The gradients of W windows at M tracked modules, each projected to D_m numbers. */
export interface ProjectedGradients extends DocumentColumns {
  /** (W) Which document of the batch the window belongs to. */
  document: Uint32Array;
  /** (W) Labels that carried loss. */
  tokens: Uint32Array;
  /** (W) Summed negative log-likelihood, nats. */
  loss: Float64Array;
  /** M blocks, block m is (W, D_m) row-major. */
  projected: Float32Array[];
  /** (W) ‖∇L‖² over all tracked modules, unprojected; only where scores are cosines. */
  squaredNorm?: Float64Array | null;
}

/** Influence scores of B documents on Q queries. Positive: the document made the completion more likely. */
export interface ScoreBatch extends DocumentColumns {
  queries: number;
  /** (B) Labels that carried loss. */
  tokens: Uint32Array;
  /** (B) Summed negative log-likelihood, nats. */
  loss: Float64Array;
  /** (B,Q) row-major: `scores[b * queries + q]`. */
  scores: Float64Array;
}

/** Keeps the documents at `rows` (ascending indices into the batch) in every column; set-aside documents stay. */
export function selectDocuments<T extends DocumentColumns>(batch: T, rows: ArrayLike<number>): DocumentColumns {
  const pick = <V>(column: V[]): V[] => Array.from(rows, (b) => column[b]);
  const Q = batch.bm25 ? batch.bm25.length / batch.key.length : 0;
  const extra: Record<string, ExtraColumn> = {};
  for (const [name, column] of Object.entries(batch.extra))
    extra[name] = Array.isArray(column) ? pick(column) : Float64Array.from(rows, (b) => column[b]);
  return {
    batch: batch.batch,
    key: Float64Array.from(rows, (b) => batch.key[b]),
    file: Uint32Array.from(rows, (b) => batch.file[b]),
    row: Float64Array.from(rows, (b) => batch.row[b]),
    id: pick(batch.id),
    source: batch.source && pick(batch.source),
    setAside: batch.setAside,
    extra,
    bm25: batch.bm25 && pickRows(batch.bm25, Q, rows),
  };
}

/** The documents at `rows`, with their texts. */
export function selectTexts(batch: DocumentBatch, rows: ArrayLike<number>): DocumentBatch {
  return { ...selectDocuments(batch, rows), text: Array.from(rows, (b) => batch.text[b]) };
}

/** Rows of a (B,Q) row-major matrix. */
function pickRows(matrix: Float64Array, Q: number, rows: ArrayLike<number>): Float64Array {
  const picked = new Float64Array(rows.length * Q);
  for (let i = 0; i < rows.length; i++) picked.set(matrix.subarray(rows[i] * Q, (rows[i] + 1) * Q), i * Q);
  return picked;
}

/** The set-aside record of document `b` of a batch. */
export function setAside(batch: DocumentColumns, b: number, reason: SetAsideReason, detail = ''): SetAside {
  return { key: batch.key[b], file: batch.file[b], row: batch.row[b], id: batch.id[b], reason, detail };
}

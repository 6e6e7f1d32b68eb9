/** What the compute process and its supervisor know of each other: what is in flight, and what earlier deaths taught. */

/** Documents with keys [keyStart, keyEnd): a batch, or one document of it. */
export interface KeyRange {
  keyStart: number;
  keyEnd: number;
}

/** A batch that was in flight when the compute process died. */
export interface Suspect extends KeyRange {
  /** It died again on this batch alone: its documents are tried one by one before the batch itself. */
  apart: boolean;
}

/** A document on which the compute process died for the third time. */
export interface Condemned {
  key: number;
  reason: 'crash' | 'deadline';
  detail: string;
}

/** What the compute process must be careful with. Plain data. */
export interface Caution {
  suspects: Suspect[];
  condemned: Condemned[];
}

export const noCaution: Caution = { suspects: [], condemned: [] };

/** How the run stage tells its supervisor what it is at. Every call returns at once. */
export interface Supervision {
  caution: Caution;
  /** These documents are about to be given to the pool. */
  begin(work: KeyRange): void;
  /** They came back, with scores or with an error that was dealt with. */
  end(work: KeyRange): void;
  /** Tokens so far, of all batches in flight: told about once a second, whether or not they grew. */
  tokens(total: number): void;
  /** All documents before `key` are in a checkpoint. */
  checkpointed(key: number): void;
}

/** A run without a supervisor. */
export const unsupervised: Supervision = {
  caution: noCaution,
  begin() {},
  end() {},
  tokens() {},
  checkpointed() {},
};

/** One pass over the corpus between two batches: the place it has reached, what the folds hold and what it met. A checkpoint is made of it. */
import { isDeepStrictEqual } from 'node:util';
import { bm25Documents } from '../../../operators/accumulators/bm25Documents.ts';
import { correlations } from '../../../operators/accumulators/correlations.ts';
import { documentCounts } from '../../../operators/accumulators/documentCounts.ts';
import { influenceDistribution } from '../../../operators/accumulators/influenceDistribution.ts';
import { kindCounts } from '../../../operators/accumulators/kindCounts.ts';
import { repeatedIds } from '../../../operators/accumulators/repeatedIds.ts';
import { sourceCounts } from '../../../operators/accumulators/sourceCounts.ts';
import { topDocuments } from '../../../operators/accumulators/topDocuments.ts';
import type { Corpus } from '../../../operators/documents/corpus.ts';
import { expectUnchanged } from '../../../operators/documents/expectUnchanged.ts';
import type { DocumentSlice, ReadFrom } from '../../../operators/documents/readDocuments.ts';
import type { LostRows } from '../../../operators/documents/readRows.ts';
import type { ScoreBatch } from '../../../schemas/batches.ts';
import { InputError, IntegrityError } from '../../../schemas/errors.ts';
import {
  type Checkpoint,
  journalPath,
  restoreState,
  serializeState,
  type Tally,
  writeCheckpoint,
} from '../../checkpoints/checkpointFiles.ts';
import { Journal } from '../../checkpoints/journal.ts';
import { openFolds } from '../../operators/customOperators.ts';
import { type OpenFold, openFold } from '../../operators/folds.ts';
import type { KeyRange } from '../../supervisor/supervision.ts';
import type { Prepared } from '../prepare.ts';

/** The built-in folds; each pass makes its own. */
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

/** What a slice was, kept from when it is read until its scores are folded. */
interface SliceFacts extends KeyRange {
  read: number;
  replaced: number;
  lost: LostRows[];
}

/** What a pass belongs to. */
export interface PassOf {
  /** Of the run, as canonical JSON. */
  identity: string;
  /** The digest of the query gradients; null where a custom operator yields the scores. */
  queryGradients: string | null;
  corpus: Corpus;
  /** The rows that it reads. */
  range: KeyRange;
  /** The checkpoint folder. */
  folder: string;
  keepScores: boolean;
  /** Seconds between checkpoints. */
  seconds: number;
  /** Hears of each checkpoint that is on the disk. */
  checkpointed(key: number): void;
}

export class Pass {
  readonly folds: RunFolds;
  readonly custom: OpenFold[];
  readonly of: PassOf;
  next: ReadFrom;
  private readonly before: Tally;
  private readonly journal: Journal;
  private readonly slices = new Map<number, SliceFacts>();
  private readonly openedAt = performance.now();
  private tally: Tally;
  private generation: number;
  private writtenAt = performance.now();
  /** Checkpoints are written one after the other. */
  private writing: Promise<void> = Promise.resolve();

  private constructor(prepared: Prepared, of: PassOf, from: Checkpoint | null, journal: Journal) {
    this.of = of;
    this.folds = openRunFolds(prepared);
    this.custom = openFolds(prepared.custom, prepared.facts);
    this.journal = journal;
    this.next = from ?? { batch: 0, key: of.range.keyStart };
    this.before = from?.tally ?? { read: 0, lost: 0, replaced: 0, seconds: 0 };
    this.tally = { ...this.before };
    this.generation = from?.generation ?? 0;
    if (from) this.restore(from);
    else for (const fold of this.custom) expectPlain(fold);
  }

  /** Opens the pass where its range begins, or where the checkpoint has it. */
  static async open(prepared: Prepared, of: PassOf, from: Checkpoint | null): Promise<Pass> {
    const journal = await Journal.open(journalPath(of.folder), from?.journalBytes ?? 0);
    return new Pass(prepared, of, from, journal);
  }

  get allFolds(): OpenFold[] {
    return [...Object.values(this.folds), ...this.custom];
  }

  get counts(): Tally {
    return { ...this.tally, seconds: this.before.seconds + (performance.now() - this.openedAt) / 1000 };
  }

  get journalBytes(): number {
    return this.journal.bytes;
  }

  /** Notes each slice as it is read. */
  async *noted(slices: AsyncIterable<DocumentSlice>): AsyncGenerator<DocumentSlice> {
    let keyStart = this.next.key;
    for await (const slice of slices) {
      const { batch, key, keyEnd, setAside, replaced, lost } = slice;
      this.slices.set(batch, { keyStart, keyEnd, read: key.length + setAside.length, replaced, lost });
      keyStart = keyEnd;
      yield slice;
    }
  }

  /** The keys of a batch in flight. */
  rangeOf(batch: number): KeyRange {
    const { keyStart, keyEnd } = this.slices.get(batch)!;
    return { keyStart, keyEnd };
  }

  /** Takes a batch that the folds have just taken; writes a checkpoint when it is time. */
  async take(batch: ScoreBatch): Promise<void> {
    const { keyEnd, read, replaced, lost } = this.slices.get(batch.batch)!;
    this.slices.delete(batch.batch);
    this.next = { batch: batch.batch + 1, key: keyEnd };
    this.tally.read += read;
    this.tally.replaced += replaced;
    for (const { rowStart, rowEnd } of lost) this.tally.lost += rowEnd - rowStart;
    const scores = this.of.keepScores ? batch : null;
    if (scores || batch.setAside.length + lost.length > 0)
      await this.journal.append({ setAside: batch.setAside, lost, scores });
    if (performance.now() - this.writtenAt >= 1000 * this.of.seconds) await this.checkpoint();
  }

  /** What stands at this tick goes to the disk. Throws ResourceError, and IntegrityError where a file of the corpus has changed. */
  checkpoint(): Promise<void> {
    const snapshot = this.snapshot();
    this.writtenAt = performance.now();
    this.writing = this.writing.then(async () => {
      await this.journal.flush();
      // Between two checkpoints a change would be found too late: what was read since is in the folds.
      await expectUnchanged(this.of.corpus);
      await writeCheckpoint(this.of.folder, snapshot);
      this.of.checkpointed(snapshot.key);
    });
    this.writing.catch(() => {}); // met again by the next checkpoint and by close
    return this.writing;
  }

  /** Waits for the disk. */
  async close(): Promise<void> {
    await this.writing.catch(() => {});
    await this.journal.close();
  }

  private snapshot(): Checkpoint {
    return {
      identity: this.of.identity,
      queryGradients: this.of.queryGradients,
      generation: ++this.generation,
      ...this.next,
      tally: this.counts,
      journalBytes: this.journal.bytes,
      folds: this.allFolds.map((fold) => ({ name: fold.name, state: serializeState(fold) })),
    };
  }

  private restore({ queryGradients, folds }: Checkpoint): void {
    if (queryGradients !== this.of.queryGradients)
      throw new IntegrityError(
        'the query gradients in the cache are not those that the checkpoint was made with: scores before and after would not be of one ' +
          'kind. Put the cache back, or begin again with --no-resume',
      );
    const [wanted, found] = [this.allFolds, folds].map((list) => list.map(({ name }) => name).join(', '));
    if (wanted !== found)
      throw new IntegrityError(
        `the checkpoint expected the folds ${wanted}, found ${found}: begin again with --no-resume`,
      );
    for (const [i, fold] of this.allFolds.entries()) fold.state = restoreState(folds[i].state);
  }
}

/** A state that does not come back from a checkpoint as it went in would end a run days later. Throws InputError. */
function expectPlain(fold: OpenFold): void {
  const before = fold.state;
  fold.state = restoreState(serializeState(fold));
  if (isDeepStrictEqual(before, fold.state)) return;
  throw new InputError(
    `fold ${fold.name}: its empty state does not come back from a checkpoint as it went in: keep plain data in it, no class instances`,
  );
}

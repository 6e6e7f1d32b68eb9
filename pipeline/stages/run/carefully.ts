/** Gives batches to the pool with the care that earlier deaths of the compute process asked for. */
import { printableLine } from '../../../operators/report/printableText.ts';
import type { DocumentBatch, ScoreBatch, SetAside } from '../../../schemas/batches.ts';
import { InputError } from '../../../schemas/errors.ts';
import { leaveOut, selectRows } from '../../pool/selectRows.ts';
import type { PoisonPolicy } from '../../pool/withoutPoison.ts';
import { StoppedError, ThreadDiedError } from '../../pool/workerPool.ts';
import type { Caution, KeyRange, Supervision } from '../../supervisor/supervision.ts';

type Run = (batch: DocumentBatch) => Promise<ScoreBatch>;

/**
 * `run` on each batch, with the supervisor told of it before and after. Condemned documents are set aside first; the documents of a batch
 * on which the process died alone are tried one by one, their scores thrown away, so that one that kills the process is known by name
 * and the batch without it has the numbers it always has.
 */
export function carefully(
  run: Run,
  rangeOf: (batch: number) => KeyRange,
  supervision: Supervision,
  policy: PoisonPolicy,
): Run {
  const watched = async (range: KeyRange, batch: DocumentBatch): Promise<ScoreBatch> => {
    supervision.begin(range);
    const scores = await run(batch).catch((error) => {
      // A thread that died takes the process with it: what it was at must be known then.
      if (!(error instanceof ThreadDiedError)) supervision.end(range);
      throw error;
    });
    supervision.end(range);
    return scores;
  };
  return async (slice) => {
    const range = rangeOf(slice.batch);
    const condemned = condemnedIn(slice, supervision.caution);
    if (condemned.length > 0 && policy.onBadRow === 'fail') throw endsTheRun(condemned[0], policy);
    const batch = leaveOut(slice, condemned);
    if (isApart(range, supervision.caution)) await tryOneByOne(batch, watched);
    return watched(range, batch);
  };
}

async function tryOneByOne(
  batch: DocumentBatch,
  watched: (range: KeyRange, batch: DocumentBatch) => Promise<unknown>,
): Promise<void> {
  for (const [b, key] of batch.key.entries())
    await watched({ keyStart: key, keyEnd: key + 1 }, { ...selectRows(batch, [b]), setAside: [] }).catch((error) => {
      // What a document makes an operator throw is met again, and dealt with, in the batch.
      if (error instanceof StoppedError || error instanceof ThreadDiedError) throw error;
    });
}

function isApart(range: KeyRange, { suspects }: Caution): boolean {
  return suspects.some(({ apart, keyStart, keyEnd }) => apart && keyStart < range.keyEnd && range.keyStart < keyEnd);
}

function condemnedIn(slice: DocumentBatch, { condemned }: Caution): SetAside[] {
  const reasons = new Map(condemned.map(({ key, reason, detail }) => [key, { reason, detail }]));
  return Array.from(slice.key.keys()).flatMap((b) => {
    const found = reasons.get(slice.key[b]);
    if (!found) return [];
    return [{ key: slice.key[b], file: slice.file[b], row: slice.row[b], id: slice.id[b], ...found }];
  });
}

function endsTheRun({ id, file, row, detail }: SetAside, { files }: PoisonPolicy): InputError {
  return new InputError(
    `document ${printableLine(id)} (row ${row} of ${printableLine(files[file])}): ${detail}: leave the document out, or set ` +
      'corpus.onBadRow: setAside',
  );
}

/** Where the last suspect ends: until then one batch is in flight at a time. */
export function careUntil({ suspects }: Caution): number {
  return Math.max(0, ...suspects.map(({ keyEnd }) => keyEnd));
}

/** Takes the documents whose loss or any score is not finite out of a batch, with the reason, before a fold can see them. */
import { type ScoreBatch, setAside } from '../../schemas/batches.ts';
import { InputError } from '../../schemas/errors.ts';
import { printableLine } from '../report/printableText.ts';
import { selectScores } from './selectScores.ts';

/** The batch itself where all is finite; else a copy without the others, which stand in its `setAside`. */
export function setAsideNotFinite(batch: ScoreBatch): ScoreBatch {
  const aside = batch.setAside.slice();
  const rows: number[] = [];
  for (let b = 0; b < batch.key.length; ++b) {
    const detail = describeNotFinite(batch, b);
    if (detail === null) rows.push(b);
    else aside.push(setAside(batch, b, 'not finite', detail));
  }
  if (rows.length === batch.key.length) return batch;
  return { ...selectScores(batch, rows), setAside: aside.sort((a, b) => a.key - b.key) };
}

/** The batch itself. Throws InputError that names the first document that is not finite: what `corpus.onBadRow: fail` asks for. */
export function expectFinite(batch: ScoreBatch, files: readonly string[]): ScoreBatch {
  for (let b = 0; b < batch.key.length; ++b) {
    const detail = describeNotFinite(batch, b);
    if (detail !== null)
      throw new InputError(
        `document ${printableLine(batch.id[b])} (row ${batch.row[b]} of ${printableLine(files[batch.file[b]])}): expected a finite ` +
          `loss and finite scores, got ${detail}: leave the document out, or set corpus.onBadRow: setAside`,
      );
  }
  return batch;
}

function describeNotFinite({ queries: Q, loss, scores }: ScoreBatch, b: number): string | null {
  if (!Number.isFinite(loss[b])) return `loss ${loss[b]}`;
  for (let q = 0; q < Q; ++q) {
    const score = scores[b * Q + q];
    if (!Number.isFinite(score)) return `score ${score} on query ${q}`;
  }
  return null;
}

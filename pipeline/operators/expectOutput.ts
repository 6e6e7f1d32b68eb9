/** Checks what a user's own map gives: a whole batch of its noun, with no document lost, added or moved. */
import type { DocumentColumns } from '../../schemas/batches.ts';
import type { Noun } from '../../schemas/operators.ts';
import { describeValue, expectColumns } from './expectColumns.ts';

/** Which documents a batch holds: copied before a map runs, which may write into what it is given. */
export interface Identity {
  batch: number;
  key: Float64Array;
  file: Uint32Array;
  row: Float64Array;
  /** Keys of the documents that earlier steps set aside. */
  setAside: number[];
}

export function identityOf({ batch, key, file, row, setAside }: DocumentColumns): Identity {
  return { batch, key: key.slice(), file: file.slice(), row: row.slice(), setAside: setAside.map(({ key }) => key) };
}

/** `queries`: Q. Throws an Error that names the column or the document, what was expected and what came. */
export function expectOutput(output: unknown, noun: Noun, before: Identity, queries: number): void {
  if (typeof output !== 'object' || output === null)
    throw new Error(`expected a batch of ${noun}, got ${describeValue(output)}`);
  expectColumns(output as Record<string, unknown>, noun, queries);
  expectSameDocuments(before, output as DocumentColumns);
}

/** A document that got lost, or is counted twice, would bias every statistic. */
function expectSameDocuments(before: Identity, { batch, key, file, row, setAside }: DocumentColumns): void {
  if (batch !== before.batch) throw new Error(`expected batch to stay ${before.batch}, got ${batch}`);
  const aside = new Set(setAside.map((left) => left.key));
  const forgotten = before.setAside.find((left) => !aside.has(left));
  if (forgotten !== undefined)
    throw new Error(`expected setAside to keep what earlier steps left out, and key ${forgotten} is gone`);
  let b = 0;
  before.key.forEach((documentKey, was) => {
    const stays = key[b] === documentKey;
    if (stays === aside.has(documentKey)) throw new Error(describeCount(before, was, stays, key));
    if (stays && (file[b] !== before.file[was] || row[b] !== before.row[was]))
      throw new Error(`expected ${placeOf(before, was)} to stay there, got row ${row[b]} of file ${file[b]}`);
    if (stays) b++;
  });
  if (b < key.length) throw new Error(`expected no document but those it was given, got key ${key[b]} as well`);
}

function describeCount(before: Identity, was: number, stays: boolean, after: Float64Array): string {
  const place = placeOf(before, was);
  if (stays) return `expected ${place} to go on or to be set aside, got both`;
  if (after.includes(before.key[was]))
    return `expected the documents in the order they came in, got ${place} elsewhere`;
  return (
    `expected ${place} to go on or to be set aside, got neither: put what the operator leaves out into setAside ` +
    '(selectDocuments and setAside of headwater/schemas)'
  );
}

const placeOf = ({ row, file }: Identity, b: number): string => `the document at row ${row[b]} of file ${file[b]}`;

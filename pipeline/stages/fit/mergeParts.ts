/** Adds the sums of a sample's parts, once every part of a set is there: sums and counts are kept apart so that they merge by adding. */
import {
  type FactorFolder,
  type FactorKind,
  hasFactor,
  partCounts,
  partFolder,
  readSums,
  type Sums,
  writeSums,
} from '../../../operators/curvature/factorFolder.ts';
import { InputError } from '../../../schemas/errors.ts';
import type { SumItem } from './fitPasses.ts';

/** Merges what it can into the folder itself, and gives the items that are still missing. */
export async function mergeParts<Of>(
  folder: FactorFolder,
  kind: FactorKind,
  items: SumItem<Of>[],
  log: (line: string) => void,
): Promise<SumItem<Of>[]> {
  let missing = items;
  for (const count of await partCounts(folder)) {
    const parts = Array.from({ length: count }, (_, i) => partFolder(folder, { index: i + 1, count }));
    const still: SumItem<Of>[] = [];
    for (const item of missing) if (!(await mergeItem(folder, parts, kind, item, log))) still.push(item);
    if (still.length < missing.length)
      log(`fit: merged ${kind} of ${missing.length - still.length} from ${count} parts`);
    missing = still;
  }
  return missing;
}

async function mergeItem<Of>(
  folder: FactorFolder,
  parts: FactorFolder[],
  kind: FactorKind,
  { name, length }: SumItem<Of>,
  log: (line: string) => void,
): Promise<boolean> {
  for (const part of parts) if (!(await hasFactor(part, kind, name, log))) return false;
  const total: Sums = { values: new Float64Array(length), count: 0 };
  for (const part of parts) {
    const { values, count } = await readSums(part, kind, name, length);
    for (let i = 0; i < length; i++) total.values[i] += values[i];
    total.count += count;
  }
  if (total.count === 0)
    throw new InputError(
      `fit expected documents with at least two tokens, and none of the ${parts.length} parts has them: see corpus and fit.documents`,
    );
  await writeSums(folder, kind, name, total);
  return true;
}

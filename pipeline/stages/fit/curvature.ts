/** The fit stage's work: covariances, their eigenbases and squared gradients in them, each computed only where the cache lacks it. */
import {
  type FactorFolder,
  type FactorKind,
  hasFactor,
  type Part,
  partFolder,
} from '../../../operators/curvature/factorFolder.ts';
import { type Side, sidesOf } from '../../../operators/curvature/sides.ts';
import type { Module } from '../../../operators/gradients/projections.ts';
import { decomposeSides } from './eigenbases.ts';
import { covarianceItems, groupItems, type SumItem, squaresItems } from './fitPasses.ts';
import { type Fitting, sampleOf, titles } from './fitting.ts';
import { mergeParts } from './mergeParts.ts';
import { covarianceGraph, fisherGraph, type PassGraph, squaresGraph } from './passGraphs.ts';
import { sumGroup } from './sumPass.ts';

/** Which factors a preconditioner or a projection asks for. */
export interface WantedFactors {
  /** Covariances and their eigenbases. */
  eigenbases: boolean;
  /** Λ in the eigenbases. */
  squares: boolean;
  /** The diagonal of the Fisher matrix. */
  fisher: boolean;
}

/** Computes what is missing. False where a part is done and the others are still to come. */
export async function fitFactors(fitting: Fitting, wanted: WantedFactors): Promise<boolean> {
  const { modules } = fitting.prepared.coverage;
  const { blocks } = fitting.prepared.configuration.fit;
  if (wanted.eigenbases) {
    const bases = sidesOf(modules);
    const missing = await missingOf(fitting, fitting.folder, 'eigenbasis', bases);
    const needed = new Set(missing.map(({ name }) => name));
    const items = covarianceItems(modules, blocks).filter(({ name }) => needed.has(name));
    if (!(await ensureSums(fitting, 'covariance', items, covarianceGraph))) return false;
    fitting.clock.lap(titles.covariance);
    await decomposeSides(fitting, missing);
    fitting.clock.lap(titles.eigenbasis);
  }
  if (wanted.squares && !(await ensureSums(fitting, 'squares', squaresItems(modules), squaresGraph))) return false;
  if (wanted.fisher && !(await ensureSums(fitting, 'fisher', squaresItems(modules), fisherGraph))) return false;
  fitting.clock.lap(titles.squares);
  return true;
}

/** Those that are not there or are damaged, one looked at after the other: each is read whole. */
async function missingOf<T extends { name: string }>(
  { hooks }: Pick<Fitting, 'hooks'>,
  folder: FactorFolder,
  kind: FactorKind,
  items: T[],
): Promise<T[]> {
  const missing: T[] = [];
  for (const item of items) if (!(await hasFactor(folder, kind, item.name, hooks.log))) missing.push(item);
  return missing;
}

async function ensureSums<Of extends Side | Module>(
  fitting: Fitting,
  kind: FactorKind,
  items: SumItem<Of>[],
  graph: PassGraph<Of>,
): Promise<boolean> {
  const { folder, part, prepared } = fitting;
  const lacking = async () => {
    const missing = await missingOf(fitting, folder, kind, items);
    return missing.length === 0 ? missing : mergeParts(folder, kind, missing, fitting.hooks.log);
  };
  const missing = await lacking();
  if (missing.length === 0) return true;
  const target = part ? partFolder(folder, part) : folder;
  const toSum = part ? await missingOf(fitting, target, kind, missing) : missing;
  const groups = groupItems(toSum, prepared.configuration.fit.memoryMiB, prepared.pool.workers);
  for (const [pass, group] of groups.entries()) {
    fitting.hooks.progress.stage(passTitle(kind, pass, groups.length, part), sampleOf(fitting).length);
    await sumGroup(fitting, target, kind, group, graph);
  }
  return (part ? await lacking() : []).length === 0;
}

function passTitle(kind: FactorKind, pass: number, passes: number, part: Part | null): string {
  const which = passes > 1 ? `, pass ${pass + 1} of ${passes}` : '';
  return `${titles[kind]}${which}${part ? ` (part ${part.index} of ${part.count})` : ''}`;
}

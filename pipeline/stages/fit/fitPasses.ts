/** How the sums of a fit are divided into passes over the sample: layer groups that fit into memory. */
import { type Side, sidesOf, sumsLength } from '../../../operators/curvature/sides.ts';
import type { Module } from '../../../operators/gradients/projections.ts';

/** Numbers that one pass sums under a name: those of a side, or of a layer. */
export interface SumItem<Of = Side | Module> {
  name: string;
  length: number;
  of: Of;
}

export function covarianceItems(modules: Module[], blocks: number): SumItem<Side>[] {
  return sidesOf(modules).map((side) => ({ name: side.name, length: sumsLength(side.width, blocks), of: side }));
}

export function squaresItems(modules: Module[]): SumItem<Module>[] {
  return modules.map((module) => ({ name: module.name, length: module.inputs * module.outputs, of: module }));
}

/** Bytes that a pass needs for one number: its float64 sum, and each worker's float32 of the call at hand. */
export function bytesPerNumber(workers: number): number {
  return 8 + 4 * workers;
}

/** Consecutive items whose sums fit into `memoryMiB` together; an item that does not is a pass of its own. */
export function groupItems<Of>(items: SumItem<Of>[], memoryMiB: number, workers: number): SumItem<Of>[][] {
  const capacity = (memoryMiB * 2 ** 20) / bytesPerNumber(workers);
  const groups: SumItem<Of>[][] = [];
  let room = 0;
  for (const item of items) {
    if (item.length > room) {
      groups.push([]);
      room = capacity;
    }
    groups[groups.length - 1].push(item);
    room -= item.length;
  }
  return groups;
}

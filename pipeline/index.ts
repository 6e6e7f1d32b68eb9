/** Headwater as a library: the stages, and the graph they are made of. */

export { readConfiguration } from './configuration/readConfiguration.ts';
export { type Flow, influenceGraph } from './influenceGraph.ts';
export { planStage, queriesStage, runStage } from './stages/stages.ts';
export type { StageHooks } from './terminal/commandLine.ts';

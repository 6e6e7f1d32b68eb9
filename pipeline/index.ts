/** Headwater as a library: the stages, and the graph they are made of. */
export type { StageHooks } from './commandLine.ts';
export { type Flow, influenceGraph } from './influenceGraph.ts';
export { readConfiguration } from './readConfiguration.ts';
export { planStage, queriesStage, runStage } from './stages.ts';

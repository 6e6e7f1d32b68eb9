/** Headwater as a library: the stages, and the graph they are made of. */

export { readConfiguration } from './configuration/readConfiguration.ts';
export { type Flow, influenceGraph } from './influenceGraph.ts';
export type { StageHooks } from './stages/stageHooks.ts';
export { mergeStage, planStage, queriesStage, runStage } from './stages/stages.ts';

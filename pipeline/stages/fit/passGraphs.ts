/** The graphs of the passes over the sample, each with the weights that it alone needs. */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type CurvatureModel,
  eigenvectorName,
  writeCovarianceModel,
  writeSquaresModel,
} from '../../../operators/curvature/curvatureModel.ts';
import { readEigenbasis } from '../../../operators/curvature/factorFolder.ts';
import {
  inputSide,
  outputSide,
  type Side,
  sidesOf,
  vectorBlocks,
  vectorsLength,
} from '../../../operators/curvature/sides.ts';
import type { Module } from '../../../operators/gradients/projections.ts';
import { type ExtraWeights, layOutExtra } from '../../../operators/gradients/tappedGraph.ts';
import type { Fitting } from './fitting.ts';

/** Writes the graph of one pass; `dispose` takes away what only that pass needs. */
export type PassGraph<Of> = (
  fitting: Fitting,
  of: Of[],
) => Promise<{ model: CurvatureModel; dispose?: () => Promise<void> }>;

function graphSettings({ prepared: { configuration } }: Fitting) {
  const { contextTokens, batchTokens, fit } = configuration;
  return { contextTokens, batchTokens, labels: fit.labels, blocks: fit.blocks };
}

export const covarianceGraph: PassGraph<Side> = async (fitting, sides) => {
  const { folder, configuration } = fitting.prepared;
  return { model: await writeCovarianceModel(folder, graphSettings(fitting), sides, configuration.cache) };
};

export const fisherGraph: PassGraph<Module> = async (fitting, modules) => {
  const { folder, configuration } = fitting.prepared;
  return { model: await writeSquaresModel(folder, graphSettings(fitting), modules, null, configuration.cache) };
};

export const squaresGraph: PassGraph<Module> = async (fitting, modules) => {
  const { folder, configuration } = fitting.prepared;
  const eigenvectors = await eigenvectorWeights(fitting, modules);
  const model = await writeSquaresModel(folder, graphSettings(fitting), modules, eigenvectors, configuration.cache);
  // The eigenvectors' copy beside the model's weights is as large as they are.
  return { model, dispose: () => rm(join(dirname(model.path), eigenvectors.file), { force: true }) };
};

async function eigenvectorWeights({ prepared, folder }: Fitting, modules: Module[]): Promise<ExtraWeights> {
  const { blocks } = prepared.configuration.fit;
  const arrays = new Map<string, Float32Array>();
  for (const side of sidesTakenBy(modules, prepared.coverage.modules)) {
    const { vectors } = await readEigenbasis(folder, side.name, side.width, vectorsLength(side.width, blocks));
    for (const [block, { values }] of vectorBlocks(vectors, side.width, blocks).entries())
      arrays.set(eigenvectorName(side.name, block), values);
  }
  return layOutExtra('eigenvectors', arrays);
}

/** Both sides of each of `modules`, a shared input side under its owner's name. */
function sidesTakenBy(modules: Module[], tracked: Module[]): Side[] {
  const names = new Set(modules.flatMap((module) => [inputSide(module), outputSide(module)]));
  return sidesOf(tracked).filter(({ name }) => names.has(name));
}

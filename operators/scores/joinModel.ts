/** The join as an ONNX model: for each module one product of projected gradients (B,D_m) with cached query gradients (Q,D_m). */
import { basename, dirname, join } from 'node:path';
import { lowerToOnnx } from '../gradients/graph/lowerToOnnx.ts';
import { writeOnnx } from '../gradients/graph/onnxFile.ts';
import { TensorGraph } from '../gradients/graph/tensorGraph.ts';
import type { QueryCache } from '../queries/queryCache.ts';

/** Writes the model beside the cache, whose bytes it maps as its weights: all workers share them, nothing is copied. */
export async function writeJoinModel(cache: QueryCache): Promise<string> {
  const path = join(dirname(cache.path), `${basename(cache.path, '.safetensors')}-join.onnx`);
  await writeOnnx(path, lowerToOnnx(joinGraph(cache)));
  return path;
}

function joinGraph({ path, modules, widths, offsets, loss }: QueryCache): TensorGraph {
  const graph = new TensorGraph();
  const queries = loss.length;
  modules.forEach((module, m) => {
    const bytes = 4 * queries * widths[m];
    const external = { file: basename(path), offset: offsets[m], bytes };
    const gradients = graph.weight(module, [queries, widths[m]], external);
    graph.output(`scores_${m}`, graph.linear(graph.input(`projected_${m}`, ['B', widths[m]]), gradients));
  });
  return graph;
}

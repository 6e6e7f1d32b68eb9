/** Writes tensors to an ONNX external data file: float32, each at a page boundary so that the pages can be shared by all workers. */
import { exists } from '../files/exists.ts';
import { type Pieces, writeShared } from '../files/wholeFile.ts';
import type { External } from './graph/tensorGraph.ts';
import { readTensorPieces, type TensorEntry, type TensorIndex } from './safetensors.ts';

const PAGE_BYTES = 4096;

/** Where each tensor of those lengths (in numbers) will lie in the external data file named `file`. */
export function layOutWeights(file: string, lengths: Iterable<[string, number]>): Map<string, External> {
  const layout = new Map<string, External>();
  let offset = 0;
  for (const [name, length] of lengths) {
    layout.set(name, { file, offset, bytes: 4 * length });
    offset += Math.ceil((4 * length) / PAGE_BYTES) * PAGE_BYTES;
  }
  return layout;
}

/** The layout of a model's tensors. */
export function layOutModel(file: string, tensors: TensorIndex): Map<string, External> {
  const lengths = [...tensors].map(([name, { shape }]): [string, number] => [name, shape.reduce((a, b) => a * b, 1)]);
  return layOutWeights(file, lengths);
}

/** Writes the model's tensors where `layout` says, as float32; does nothing if the file is there. */
export async function writeModelWeights(
  path: string,
  layout: Map<string, External>,
  tensors: TensorIndex,
): Promise<void> {
  await writeOnce(
    path,
    pagesOf(layout, (name) => readTensorPieces(tensors.get(name) as TensorEntry)),
  );
}

/** Writes whole arrays where `layout` says; does nothing if the file is there. */
export async function writeArrays(path: string, layout: Map<string, External>, arrays: Map<string, Float32Array>) {
  await writeOnce(
    path,
    pagesOf(layout, (name) => [arrays.get(name) as Float32Array]),
  );
}

/** The tensors one behind the other, each followed by zeros up to the next one's page. */
async function* pagesOf(
  layout: Map<string, External>,
  piecesOf: (name: string) => Pieces,
): AsyncGenerator<ArrayBufferView> {
  let at = 0;
  for (const [name, { offset }] of layout) {
    if (offset > at) yield new Uint8Array(offset - at);
    at = offset;
    for await (const piece of piecesOf(name)) {
      yield piece;
      at += piece.byteLength;
    }
  }
}

/** Writes a file of the cache whose name tells its content; does nothing if it is there. */
export async function writeOnce(path: string, pieces: Pieces): Promise<void> {
  if (!(await exists(path))) await writeShared(path, pieces);
}

/** Writes tensors to an ONNX external data file: float32, each at a page boundary so that the pages can be shared by all workers. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { canonicalJson } from '../../schemas/fingerprint.ts';
import { orMadeAgain } from '../files/damagedFile.ts';
import { expectFingerprint } from '../files/differingKeys.ts';
import { SEAL_BYTES, sealOf, writeSealed } from '../files/sealedFile.ts';
import type { Pieces } from '../files/wholeFile.ts';
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

/** What a file's numbers are: by its name alone, another model's would be taken for it. */
export type WeightsOf = { model: string } | { arrays: string };

/** Writes the model's tensors where `layout` says, as float32, unless the file has them. Throws as `writeArrays` does. */
export async function writeModelWeights(
  path: string,
  of: WeightsOf,
  layout: Map<string, External>,
  tensors: TensorIndex,
): Promise<void> {
  const pages = pagesOf(layout, (name) => readTensorPieces(tensors.get(name) as TensorEntry));
  await writeUnlessThere(path, of, pages);
}

/**
 * Writes whole arrays where `layout` says, unless the file has them; a damaged file is made again. Throws IntegrityError where a whole
 * file of something else has the name, ResourceError where the disk or the rights do not suffice.
 */
export async function writeArrays(
  path: string,
  of: WeightsOf,
  layout: Map<string, External>,
  arrays: Map<string, Float32Array>,
): Promise<void> {
  await writeUnlessThere(
    path,
    of,
    pagesOf(layout, (name) => [arrays.get(name) as Float32Array]),
  );
}

/** SHA-256 of each array, under its name, in hexadecimal. */
export function digestsOf(arrays: Map<string, Float32Array>): [name: string, digest: string][] {
  return [...arrays].map(([name, values]) => [name, createHash('sha256').update(values).digest('hex')]);
}

async function writeUnlessThere(path: string, of: WeightsOf, pages: Pieces): Promise<void> {
  if ((await orMadeAgain(() => checkWeights(path, of))) === null) await writeSealed(path, labelled(pages, of));
}

/** Behind the pages and before the seal; much longer than a digest and its name. */
const LABEL_BYTES = 256;

async function* labelled(pages: Pieces, of: WeightsOf): AsyncGenerator<ArrayBufferView> {
  yield* pages;
  const label = Buffer.alloc(LABEL_BYTES, ' ');
  label.write(canonicalJson(of));
  yield label;
}

/** Throws DamagedFile where the file is missing or not what was written, IntegrityError where it was written for something else. */
async function checkWeights(path: string, of: WeightsOf): Promise<true> {
  await sealOf(path);
  expectFingerprint(`the weights ${path} were`, await readLabel(path), of, 'Delete them and run again');
  return true;
}

async function readLabel(path: string): Promise<string> {
  const label = Buffer.alloc(LABEL_BYTES);
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    await handle.read(label, 0, LABEL_BYTES, Math.max(0, size - SEAL_BYTES - LABEL_BYTES));
  } finally {
    await handle.close();
  }
  return label.toString();
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

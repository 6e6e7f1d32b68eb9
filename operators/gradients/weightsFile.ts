/** Writes tensors to an ONNX external data file: float32, each at a page boundary so that the pages can be shared by all workers. */
import { randomUUID } from 'node:crypto';
import { access, open, rename, rm } from 'node:fs/promises';
import type { External } from './graph/tensorGraph.ts';
import { readTensorPieces, type TensorIndex } from './safetensors.ts';

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
  await writeOnce(path, async function* () {
    for (const [name, { offset }] of layout) {
      let at = offset;
      const entry = tensors.get(name);
      if (!entry) continue;
      for await (const piece of readTensorPieces(entry)) {
        yield { at, piece };
        at += piece.byteLength;
      }
    }
  });
}

/** Writes whole arrays where `layout` says; does nothing if the file is there. */
export async function writeArrays(path: string, layout: Map<string, External>, arrays: Map<string, Float32Array>) {
  await writeOnce(path, async function* () {
    for (const [name, piece] of arrays) yield { at: (layout.get(name) as External).offset, piece };
  });
}

/** Writes a file under another name and renames it, so that a file with its name is whole. */
export async function writeOnce(
  path: string,
  pieces: () => AsyncIterable<{ at: number; piece: Float32Array | Uint8Array }>,
): Promise<void> {
  if (await exists(path)) return;
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    const file = await open(temporary, 'wx');
    try {
      for await (const { at, piece } of pieces())
        await writeAll(file, new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength), at);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** `write` may write less than it is given, and no more than 2 GiB. */
async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const length = Math.min(bytes.byteLength - done, 2 ** 30);
    done += (await file.write(bytes, done, length, at + done)).bytesWritten;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

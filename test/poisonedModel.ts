/** The bundled model with one token whose embedding is NaN: a document that holds it gives no finite loss, gradient or score. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors } from '../operators/gradients/safetensors.ts';
import { loadTokenizer } from '../operators/tokens/loadTokenizer.ts';
import { bundledModel } from './pipeline/smallWorld.ts';

/** No other text of the tests holds the token of its last sign. */
export const poisonedText = 'Costs 5 €';

/** Writes the model into `folder` and gives its path. */
export async function poisonedModel(folder: string): Promise<string> {
  const model = join(folder, 'model');
  await cp(bundledModel, model, { recursive: true });
  const token = (await loadTokenizer(model)).encode('€').at(-1) as number;
  const { file, offset, bytes, shape } = (await openSafetensors(model)).get('model.embed_tokens.weight')!;
  const data = await readFile(file);
  const head = Buffer.from(data.subarray(offset, offset + bytes));
  const row = bytes / shape[0];
  data.fill(0xff, offset + token * row, offset + (token + 1) * row);
  await writeFile(file, withHead(data, head));
  const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8'));
  await writeFile(join(model, 'config.json'), JSON.stringify({ ...config, tie_word_embeddings: false }));
  return model;
}

/** The embeddings are tied: with a head of its own, only documents that hold the token meet it. */
function withHead(data: Buffer, head: Buffer): Buffer {
  const headerBytes = Number(data.readBigUInt64LE(0));
  const header = JSON.parse(data.subarray(8, 8 + headerBytes).toString());
  const end = data.length - 8 - headerBytes;
  header['lm_head.weight'] = { ...header['model.embed_tokens.weight'], data_offsets: [end, end + head.length] };
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data.subarray(8 + headerBytes), head]);
}

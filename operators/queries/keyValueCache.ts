/** The keys and values of the tokens decoded so far, as the decoding graph reads them: a step then costs its new tokens alone. */
import { Tensor } from 'onnxruntime-node';
import type { CachedHeads } from '../gradients/architectures/forwardGraph.ts';

/** Slots are added this many at a time, for each growth copies the cache. */
const GROWTH_SLOTS = 64;

/** The lowest float32, which softmax turns to exactly 0. */
const HIDDEN = -3.4028234663852886e38;

/** Keys or values of one attention: (B,K,P,D), of whose P slots the first ones are in use. */
interface Block extends CachedHeads {
  name: string;
  values: Float32Array;
}

/**
 * B rows of different lengths that end at the same slot, so that the next token of each goes to the next slot. A shorter row has
 * `padding` slots before its first token: no token looks at them and positions do not count them.
 */
export class KeyValueCache {
  private blocks: Block[];
  /** (B) */
  private padding: number[];
  /** P */
  private slots = 0;
  private used = 0;

  /** For B rows whose first step has `lengths` tokens. */
  constructor(cached: readonly CachedHeads[], lengths: readonly number[]) {
    const longest = Math.max(...lengths);
    this.padding = lengths.map((length) => longest - length);
    this.blocks = cached.flatMap((heads, i) =>
      ['keys', 'values'].map((kind) => ({ ...heads, name: `${kind}_${i}`, values: new Float32Array(0) })),
    );
  }

  /** The inputs of a step that adds the tokens of each row. */
  feeds(tokens: readonly (readonly number[])[]): Record<string, Tensor> {
    const rows = tokens.length;
    const count = Math.max(...tokens.map((row) => row.length));
    const ids = new BigInt64Array(rows * count);
    const positions = new BigInt64Array(rows * count);
    tokens.forEach((row, b) => {
      const empty = count - row.length;
      row.forEach((id, i) => {
        ids[b * count + empty + i] = BigInt(id);
        positions[b * count + empty + i] = BigInt(this.used + empty + i - this.padding[b]);
      });
    });
    return {
      ids: new Tensor('int64', ids, [rows, count]),
      positions: new Tensor('int64', positions, [rows, count]),
      mask: this.mask(count),
      ...this.past(),
    };
  }

  /** (B,1,T,P+T): a row's token looks at the row's own tokens up to itself. */
  private mask(count: number): Tensor {
    const { padding, slots, used } = this;
    const columns = slots + count;
    const mask = new Float32Array(padding.length * count * columns).fill(HIDDEN);
    padding.forEach((empty, b) => {
      for (let t = 0; t < count; t++) {
        const row = (b * count + t) * columns;
        mask.fill(0, row + Math.min(empty, used), row + used);
        mask.fill(0, row + slots + Math.max(0, empty - used), row + slots + t + 1);
      }
    });
    return new Tensor('float32', mask, [padding.length, 1, count, columns]);
  }

  private past(): Record<string, Tensor> {
    const tensors = this.blocks.map(({ name, heads, width, values }) => {
      const shape = [this.padding.length, heads, this.slots, width];
      return [`past_${name}`, new Tensor('float32', values, shape)] as const;
    });
    return Object.fromEntries(tensors);
  }

  /** Takes in the keys and values (B,K,T,D) that the step gave for its tokens. */
  append(outputs: Record<string, { data: unknown }>): void {
    const [first] = this.blocks;
    const rows = this.padding.length;
    const count = (outputs[first.name].data as Float32Array).length / (rows * first.heads * first.width);
    if (this.used + count > this.slots) this.copy([...this.padding.keys()], this.used + count + GROWTH_SLOTS);
    for (const { name, heads, width, values } of this.blocks) {
      const fresh = outputs[name].data as Float32Array;
      const size = count * width;
      for (let head = 0; head < rows * heads; head++)
        values.set(fresh.subarray(head * size, (head + 1) * size), (head * this.slots + this.used) * width);
    }
    this.used += count;
  }

  /** Keeps those rows alone, in the order given. */
  keep(rows: readonly number[]): void {
    const all = rows.length === this.padding.length && rows.every((row, b) => row === b);
    if (!all) this.copy(rows, this.slots);
  }

  private copy(rows: readonly number[], slots: number): void {
    this.blocks = this.blocks.map((block) => {
      const { heads, width, values } = block;
      const copied = new Float32Array(rows.length * heads * slots * width);
      rows.forEach((row, b) => {
        for (let head = 0; head < heads; head++) {
          const from = (row * heads + head) * this.slots * width;
          copied.set(values.subarray(from, from + this.used * width), (b * heads + head) * slots * width);
        }
      });
      return { ...block, values: copied };
    });
    this.padding = rows.map((row) => this.padding[row]);
    this.slots = slots;
  }
}

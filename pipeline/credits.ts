/** Back-pressure as an object: one credit per batch in flight, taken before a batch is read and given back when it is folded. */

export class Credits {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  /** Resolves when a credit is free, first come first served. */
  async take(): Promise<void> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resume) => this.waiting.push(resume));
  }

  give(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free++;
  }
}

/** The items of `source`, each pulled only once a credit is there for it. Ends early, between two items, when `signal` aborts. */
export async function* paced<T>(source: AsyncIterable<T>, credits: Credits, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      await credits.take();
      if (signal.aborted) return;
      const { done, value } = await iterator.next();
      if (done) return;
      yield value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** Back-pressure as an object: one credit per batch in flight, taken before a batch is read and given back when it is folded. */

export class Credits {
  private free: number;
  private closed = false;
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  /** Resolves when a credit is free, first come first served: true, or false once the flow is over and none will be. */
  async take(): Promise<boolean> {
    if (this.free > 0) this.free--;
    else if (!this.closed) await new Promise<void>((resume) => this.waiting.push(resume));
    return !this.closed;
  }

  give(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free++;
  }

  /** Sends home whoever waits: after an error nobody gives credits back. */
  close(): void {
    this.closed = true;
    for (const resume of this.waiting.splice(0)) resume();
  }
}

/** Credits of which one alone is there until the flow has passed what it must be careful with. */
export class CarefulCredits extends Credits {
  private held: number;
  private readonly until: number;

  /** `until`: the key at which care ends; `from`: the key at which the flow begins. */
  constructor(count: number, until: number, from: number) {
    super(from < until ? 1 : count);
    this.held = from < until ? count - 1 : 0;
    this.until = until;
  }

  /** All documents before `key` have been folded. */
  passed(key: number): void {
    if (key < this.until) return;
    for (; this.held > 0; this.held--) this.give();
  }
}

/** The items of `source`, each pulled only once a credit is there for it. Ends early, between two items, when `signal` aborts. */
export async function* paced<T>(source: AsyncIterable<T>, credits: Credits, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    while ((await credits.take()) && !signal.aborted) {
      const { done, value } = await iterator.next();
      if (done) return;
      yield value;
    }
  } finally {
    // Closes the file that is being read.
    await iterator.return?.();
  }
}

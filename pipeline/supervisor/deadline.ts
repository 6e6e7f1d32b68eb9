/** Tells when what is in flight has not moved for too long, by a clock that never goes back. */

const longestLook = 10_000; // ms between two looks, beyond which it is we who did not run

export class Deadline {
  private readonly allowed: number;
  private readonly now: () => number;
  private movedAt: number;
  private lookedAt: number;

  /** `now`: milliseconds that never go back. */
  constructor(seconds: number, now = (): number => performance.now()) {
    this.allowed = 1000 * seconds;
    this.now = now;
    this.movedAt = now();
    this.lookedAt = this.movedAt;
  }

  moved(): void {
    this.movedAt = this.now();
  }

  /** Whether nothing moved for that long; to be asked about once a second. */
  isPast(): boolean {
    const now = this.now();
    // The supervisor was stopped, by Ctrl-Z or a machine put to sleep: what moved meanwhile, it has not heard of yet.
    if (now - this.lookedAt > longestLook) this.movedAt = now;
    this.lookedAt = now;
    return now - this.movedAt >= this.allowed;
  }
}

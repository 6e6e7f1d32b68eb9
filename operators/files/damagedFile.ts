/** Thrown where a file the program wrote is not what it wrote: caught by whoever can make the file again, never met by users. */
export class DamagedFile extends Error {
  override name = 'DamagedFile';
  readonly path: string;
  readonly reason: string;

  constructor(path: string, reason: string, cause?: unknown) {
    super(`${path}: ${reason}`, { cause });
    this.path = path;
    this.reason = reason;
  }
}

/** The errors a user meets, each with the exit code it ends the program with. */

/** An error of ours: its message says who, what was expected, what came, where, and what to do next. */
export class HeadwaterError extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.exitCode = exitCode;
  }
}

/** The command line or the configuration is wrong. */
export class UsageError extends HeadwaterError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 2, options);
  }
}

/** A model, corpus, query or operator file cannot be read as what it should be. */
export class InputError extends HeadwaterError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 3, options);
  }
}

/** A cache, shard or checkpoint belongs to something else. */
export class IntegrityError extends HeadwaterError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 5, options);
  }
}

/** The disk or the memory does not suffice. */
export class ResourceError extends HeadwaterError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, 6, options);
  }
}

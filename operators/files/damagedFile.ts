/** What becomes of a file that the program wrote and finds again otherwise: it is said, and the file made again. */
import { ResourceError } from '../../schemas/errors.ts';

/** What a system answers where there is no such file, or no folder for it. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR']);

/** Caught by whoever can make the file again; users meet its message as a notice. */
export class DamagedFile extends Error {
  override name = 'DamagedFile';
  readonly path: string;
  readonly reason: string;
  /** There is no such file, which is no damage. */
  readonly missing: boolean;

  constructor(path: string, reason: string, cause?: unknown) {
    super(`${path}: ${reason}`, { cause });
    this.path = path;
    this.reason = reason;
    this.missing = ABSENT.has((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
  }
}

/** Told what is made again, one line each. */
export type Say = (line: string) => void;

let tell: Say = (line) => void process.stderr.write(`${line}\n`);

/** Where the notices of operators go that are given no log; the standard error of a process that names none. */
export function tellNotices(say: Say): void {
  tell = say;
}

export const notice: Say = (line) => tell(line);

/** What `open` gives, or null where its file is missing or damaged, so that it is made again; damage is said. */
export async function orMadeAgain<T>(open: () => Promise<T>, say: Say = notice): Promise<T | null> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof DamagedFile)) throw error;
    if (!error.missing) say(`cache: ${error.path} cannot be used and is made again: ${error.reason}`);
    return null;
  }
}

/** These tell of the machine, not of the file. */
const SHORTAGES = new Set(['EMFILE', 'ENFILE', 'EACCES', 'EPERM', 'ENOMEM']);

/** What reading a file throws: DamagedFile where it is missing or cannot be read, ResourceError where the machine lacks something. */
export function unreadable(path: string, cause: NodeJS.ErrnoException): never {
  if (SHORTAGES.has(cause.code ?? ''))
    throw new ResourceError(
      `cannot read ${path}: ${cause.message}; grant rights there, or raise the limit (ulimit -n)`,
      {
        cause,
      },
    );
  throw new DamagedFile(path, ABSENT.has(cause.code ?? '') ? 'it is missing' : cause.message, cause);
}
